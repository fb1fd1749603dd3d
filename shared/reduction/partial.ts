/** What a partial is made of, wherever it travels: one vector of binary32. */
export interface PartialLayout {
  /** Floats of the vector. */
  readonly floats: number;
  /** Areas that hold batch moments: `width` means at float `mean`, their M2s at `m2`. All else are sums. */
  readonly moments: readonly MomentsPlace[];
}

export interface MomentsPlace {
  readonly mean: number;
  readonly m2: number;
  readonly width: number;
}
