/** A flag of a command, on its command line and as LOCKSTEP_… in the environment. */
export interface Flag {
  readonly name: string;
  /** A switch takes no value, `optional` may have one: the next word, if it looks like one. */
  readonly kind: 'text' | 'number' | 'switch' | 'optional';
  /** What a value that may be left out looks like. */
  readonly looks?: RegExp;
  /** What stands for the value in help. */
  readonly value?: string;
  readonly help: string;
  /** For help: what holds where it is not given. */
  readonly otherwise?: string;
  /** The recipe's field that it sets, for flags that decide bits. */
  readonly field?: string;
}
