/** What the wire bears. Every number here has a test; the door and both ends hold to them. */

/** Raised by any change of messages or frames; ends of different versions refuse each other. */
export const protocolVersion = 3;

/** Before a socket has shown the token: for its headers, and all such sockets together. */
export const headersTimeoutMs = 5_000;
export const headersBytes = 8_192;
export const mostStrangers = 64;
/** For one that is refused to take its answer. */
export const answerTimeoutMs = 250;
/** Lines of the log a second that tell of refusals; a flood of them must not fill a disk. */
export const mostRefusalLines = 10;

/** From the open socket to a hello, and from there to the bulk connection. */
export const helloTimeoutMs = 5_000;

/** Control messages: bytes on the wire, before and after the hello; what they may hold. */
export const helloBytes = 4_096;
export const controlBytes = 16_384;
/** Characters of the reason why a worker is refused, gets a new replica, or is sent home. */
export const reasonLength = 1_024;
/** Of the canonical JSON of a recipe, which has to fit into a control message. */
export const recipeBytes = 12_288;
export const controlDepth = 4;
export const controlValues = 256;
/** Tree nodes that one message assigns. */
export const mostNodes = 40;
/** Pieces that one message may come in. */
export const mostFragments = 16;
/** The mean length of what a network may cut a bulk frame into; below it, the overhead of a piece outweighs it. */
export const leastChunkBytes = 256;

/** For the other end to take what was sent before a connection is closed; and if it broke the rules. */
export const closeTimeoutMs = 5_000;
export const expelTimeoutMs = 1_000;

/**
 * A worker whose connection takes less than a run sends gets so many replicas before it is refused: a new one when the old
 * one has left, at most so much later, and not at once.
 */
export const mostCatchUps = 3;
export const catchUpTimeoutMs = 60_000;
export const catchUpPauseMs = 2_000;

/** Both ends say that they are alive this often, and give the other up after so long without a sign. */
export const heartbeatMs = 2_000;
export const silenceMs = 6_000;

/** Of a step's timeline: threads; segments and characters of each. */
export const timelineThreads = 64;
export const timelineSegments = 128;
export const timelineLength = 660;
/** A worker tells of a step not more often than that. */
export const timelineMs = 400;

/** Payload of one frame of a replica or of data. */
export const chunkBytes = 2 ** 20;

/** Characters of a token. */
export const tokenLength = { min: 8, max: 256 } as const;
