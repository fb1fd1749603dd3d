export { columnSums, dense, denseWeightGradient, denseWeightUpdate, transpose } from './products';
export { mergeMoments, mergeSums } from './merging';
export { inverseDeviation, moments, normalise, normaliseBackward, normaliseSums } from './normalisation';
export {
  affine, affineBackward, exp, log, relu, reluBackward, sigmoid, sigmoidBackward, tanh, tanhBackward,
} from './activations';
export { argmax, softmax, softmaxCrossEntropy } from './loss';
export { movingAverage, nonFinite, sgd } from './update';
export { gather } from './data';
export { normal, uniform } from './random';
export { multiplyAdd, peak } from './probe';
// Functions of their own, so that the engine neither unrolls their loops nor runs out of registers in them.
export {
  denseTile1, denseTile2, denseTile3, denseTile4, denseTile5, denseTile6,
  sumShard1, sumShard2, sumShard3, sumShard4, sumShard5, sumShard6,
} from './products';
