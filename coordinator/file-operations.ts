/** What is done to files beside training; it comes in from outside, so that tests can record it and cut it short. */

/** A file that is open. */
export interface OpenFile {
  /** Writes as many of the bytes as the system takes. */
  write(bytes: Uint8Array): Promise<{ readonly bytesWritten: number }>;
  sync(): Promise<void>;
  close(): Promise<void>;
}

/** A part of node:fs/promises. */
export interface FileOperations {
  open(path: string, flags: string): Promise<OpenFile>;
  rename(from: string, to: string): Promise<void>;
  unlink(path: string): Promise<void>;
  readdir(folder: string): Promise<string[]>;
}
