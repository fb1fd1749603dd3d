// How matrices lie in memory, and how much of one is computed at once.

// A row of a panel: sixteen floats.
// @ts-ignore: decorator
@inline
export const PANEL_BYTES: usize = 64;

// A tile is up to six rows by half a panel: twelve vectors of sums. With two of weights and one value spread over a
// vector that is all that an engine's fifteen vector registers on x86-64 hold.
// @ts-ignore: decorator
@inline
export const TILE_ROWS: i32 = 6;
