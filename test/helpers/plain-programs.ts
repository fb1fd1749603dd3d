/**
 * Loaded before each test (package.json): what a test starts runs as users start it. tap would have every program of Node note
 * which files it loads, which nobody reads here, and which takes half a second of the processor each time.
 */
import { createRequire } from 'node:module';

// What tap puts its loader into other programs with: it comes with tap, and has no types.
const onSpawn = createRequire(import.meta.url)('process-on-spawn') as { removeAllListeners(): void };
onSpawn.removeAllListeners();

const options = process.env.NODE_OPTIONS?.replace(/"?--import=\S*@tapjs\/processinfo\S*/g, '').trim();
if (options === '') delete process.env.NODE_OPTIONS;
else if (options !== undefined) process.env.NODE_OPTIONS = options;
