export { dense, transpose } from './products';
export { columnSums, denseWeightGradient, denseWeightUpdate } from './gradient';
export { mergeMoments, mergeSums } from './merging';
export { inverseDeviation, moments, normalise, normaliseBackward, normaliseSums } from './normalisation';
export {
  affine, affineBackward, exp, log, relu, reluBackward, sigmoid, sigmoidBackward, tanh, tanhBackward,
} from './activations';
export { argmax, softmax, softmaxCrossEntropy } from './loss';
export { checksum, movingAverage, nonFinite, sgd } from './update';
export { gather } from './data';
export { normal, uniform } from './random';
export { multiplyAdd, peak } from './probe';
// Functions of their own, so that the engine neither unrolls their loops nor runs out of registers in them.
export { denseTile1, denseTile2, denseTile3, denseTile4, denseTile5, denseTile6 } from './products';
export { sumTile1, sumTile2, sumTile24, sumTile3, sumTile4, sumTile42, sumTile5, sumTile6 } from './gradient';
