export { columnSums, dense, denseWeightGradient, transpose } from './products';
export { mergeMoments, mergeSums } from './merging';
export { inverseDeviation, moments, normalise, normaliseBackward, normaliseSums } from './normalisation';
export {
  affine, affineBackward, exp, log, relu, reluBackward, sigmoid, sigmoidBackward, tanh, tanhBackward,
} from './activations';
export { argmax, softmax, softmaxCrossEntropy } from './loss';
export { movingAverage, nonFinite, sgd } from './update';
export { gather } from './data';
export { normal, uniform } from './random';
export { multiplyAdd } from './probe';
