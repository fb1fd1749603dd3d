/** Every control message with its bytes, written out by the MessagePack specification and not by our encoder. */
import type { ToCoordinator, ToWorker } from '../../shared/wire/messages.ts';
import { fromHex } from './hex.ts';

export type Golden =
  | { readonly to: 'toCoordinator'; readonly message: ToCoordinator; readonly bytes: Uint8Array }
  | { readonly to: 'toWorker'; readonly message: ToWorker; readonly bytes: Uint8Array };

/** Heads of values: 8n a map of n, 9n an array of n, an a string of n bytes, d9 one of up to 255, cc, cd, ce integers. */
export const goldenMessages: readonly Golden[] = [
  {
    to: 'toCoordinator',
    message: {
      type: 'hello',
      protocol: 1,
      arithmetic: 2,
      version: '0.1.0',
      answer: 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
      workerId: '00112233445566778899aabbccddeeff',
      name: 'mara',
      threads: 8,
      kernels: 'native:avx2',
    },
    bytes: fromHex(`
      89
      a4 74797065 a5 68656c6c6f  # type: "hello"
      a8 70726f746f636f6c 01  # protocol: 1
      aa 61726974686d65746963 02  # arithmetic: 2
      a7 76657273696f6e a5 302e312e30  # version: "0.1.0"
      a6 616e73776572 d940 62613738313662663866303163666561343134313430646535646165323232336230303336316133393631373761396362343130666636316632303031356164  # answer: "ba7816bf8f01cfea414…
      a8 776f726b65724964 d920 3030313132323333343435353636373738383939616162626363646465656666  # workerId: "00112233445566778899aabbccddeeff"
      a4 6e616d65 a4 6d617261  # name: "mara"
      a7 74687265616473 08  # threads: 8
      a7 6b65726e656c73 ab 6e61746976653a61767832  # kernels: "native:avx2"
    `),
  },
  {
    to: 'toCoordinator',
    message: { type: 'fetch' },
    bytes: fromHex(`
      81
      a4 74797065 a5 6665746368  # type: "fetch"
    `),
  },
  {
    to: 'toCoordinator',
    message: { type: 'join' },
    bytes: fromHex(`
      81
      a4 74797065 a4 6a6f696e  # type: "join"
    `),
  },
  {
    to: 'toCoordinator',
    message: { type: 'ready', step: 128 },
    bytes: fromHex(`
      82
      a4 74797065 a5 7265616479  # type: "ready"
      a4 73746570 cc80  # step: 128
    `),
  },
  {
    to: 'toCoordinator',
    message: {
      type: 'checksum',
      step: 65536,
      sha256: 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
    },
    bytes: fromHex(`
      83
      a4 74797065 a8 636865636b73756d  # type: "checksum"
      a4 73746570 ce00010000  # step: 65536
      a6 736861323536 d940 62613738313662663866303163666561343134313430646535646165323232336230303336316133393631373761396362343130666636316632303031356164  # sha256: "ba7816bf8f01cfea414…
    `),
  },
  {
    to: 'toCoordinator',
    message: { type: 'timeline', step: 256, microseconds: 3200, threads: ['0a12b345g6', '17h9'] },
    bytes: fromHex(`
      84
      a4 74797065 a8 74696d656c696e65  # type: "timeline"
      a4 73746570 cd0100  # step: 256
      ac 6d6963726f7365636f6e6473 cd0c80  # microseconds: 3200
      a7 74687265616473 92 aa 30613132623334356736 a4 31376839  # threads: [ "0a12b345g6", "17h9" ]
    `),
  },
  {
    to: 'toCoordinator',
    message: { type: 'leave', reason: 'Größe' },
    bytes: fromHex(`
      82
      a4 74797065 a5 6c65617665  # type: "leave"
      a6 726561736f6e a7 4772c3b6c39f65  # reason: "Größe"
    `),
  },
  {
    to: 'toCoordinator',
    message: { type: 'heartbeat' },
    bytes: fromHex(`
      81
      a4 74797065 a9 686561727462656174  # type: "heartbeat"
    `),
  },
  {
    to: 'toCoordinator',
    message: { type: 'pong', number: 7 },
    bytes: fromHex(`
      82
      a4 74797065 a4 706f6e67  # type: "pong"
      a6 6e756d626572 07  # number: 7
    `),
  },
  {
    to: 'toWorker',
    message: {
      type: 'welcome',
      version: '0.1.0',
      run: 4294967295,
      ticket: '5f3c',
      name: 'mara-2',
      recipe: '{"batchSize":64}',
      samples: { train: 60000, test: 10000 },
    },
    bytes: fromHex(`
      87
      a4 74797065 a7 77656c636f6d65  # type: "welcome"
      a7 76657273696f6e a5 302e312e30  # version: "0.1.0"
      a3 72756e ceffffffff  # run: 4294967295
      a6 7469636b6574 a4 35663363  # ticket: "5f3c"
      a4 6e616d65 a6 6d6172612d32  # name: "mara-2"
      a6 726563697065 b0 7b22626174636853697a65223a36347d  # recipe: "{"batchSize":64}"
      a7 73616d706c6573  # samples
        82
        a5 747261696e cdea60  # train: 60000
        a4 74657374 cd2710  # test: 10000
    `),
  },
  {
    to: 'toWorker',
    message: { type: 'refuse', reason: 'other data' },
    bytes: fromHex(`
      82
      a4 74797065 a6 726566757365  # type: "refuse"
      a6 726561736f6e aa 6f746865722064617461  # reason: "other data"
    `),
  },
  {
    to: 'toWorker',
    message: { type: 'resync', reason: 'its replica differs' },
    bytes: fromHex(`
      82
      a4 74797065 a6 726573796e63  # type: "resync"
      a6 726561736f6e b3 697473207265706c6963612064696666657273  # reason: "its replica differs"
    `),
  },
  {
    to: 'toWorker',
    message: {
      type: 'assign',
      step: 256,
      nodes: [
        [0, 8],
        [8, 10],
        [127, 128],
      ],
    },
    bytes: fromHex(`
      83
      a4 74797065 a6 61737369676e  # type: "assign"
      a4 73746570 cd0100  # step: 256
      a5 6e6f646573 93 920008 92080a 927fcc80  # nodes: [ [0, 8], [8, 10], [127, 128]]
    `),
  },
  {
    to: 'toWorker',
    message: { type: 'evaluate', step: 938, from: 0, to: 79 },
    bytes: fromHex(`
      84
      a4 74797065 a8 6576616c75617465  # type: "evaluate"
      a4 73746570 cd03aa  # step: 938
      a4 66726f6d 00  # from: 0
      a2 746f 4f  # to: 79
    `),
  },
  {
    to: 'toWorker',
    message: { type: 'watch', every: 128 },
    bytes: fromHex(`
      82
      a4 74797065 a5 7761746368  # type: "watch"
      a5 6576657279 cc80  # every: 128
    `),
  },
  {
    to: 'toWorker',
    message: { type: 'end', reason: 'the run is done', failed: false },
    bytes: fromHex(`
      83
      a4 74797065 a3 656e64  # type: "end"
      a6 726561736f6e af 7468652072756e20697320646f6e65  # reason: "the run is done"
      a6 6661696c6564 c2  # failed: false
    `),
  },
  {
    to: 'toWorker',
    message: { type: 'ping', number: 4294967295 },
    bytes: fromHex(`
      82
      a4 74797065 a4 70696e67  # type: "ping"
      a6 6e756d626572 ceffffffff  # number: 4294967295
    `),
  },
];
