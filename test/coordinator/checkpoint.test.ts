/** Checkpoints as bytes: what comes back, what they say without us, and that only what is whole and unaltered is taken. */
import { createHash } from 'node:crypto';
import t from 'tap';
import { decodeCheckpoint, encodeCheckpoint } from '../../coordinator/checkpoint.ts';
import { decodeSafetensors, encodeSafetensors } from '../../shared/model/safetensors.ts';
import { stateDigest, weightsDigest } from '../../shared/model/snapshot.ts';
import { canonicalJson, recipeId } from '../../shared/recipe/recipe.ts';
import { refusal } from '../helpers/refusal.ts';
import { type SampleOptions, sampleRun } from '../helpers/run-states.ts';
import { hashed, withHeader } from '../helpers/sealed.ts';

const path = 'runs/a/checkpoints/step';
const encode = (options?: SampleOptions): Buffer => {
  const { architecture, recipe, state } = sampleRun(options);
  return Buffer.concat(encodeCheckpoint(architecture, recipe, state));
};
const refused = (bytes: Uint8Array): string => refusal(() => decodeCheckpoint(bytes, path), 'DATA');

const samples: Record<string, SampleOptions> = {
  'between epochs': { step: 0 },
  'in an epoch': {},
  'before the first epoch ends': { epoch: 0, step: 5 },
  'before the first step': { epoch: 0, step: 0 },
  'with batch normalisation and its counters': { model: 'dense(3) batchnorm relu dense(10) batchnorm' },
  'with early stopping, before the first epoch ends': { epoch: 0, stopping: 'before the first' },
  'with early stopping and the best model': { model: 'dense(3) batchnorm dense(10)', stopping: 'best' },
};

for (const [what, options] of Object.entries(samples)) {
  t.test(`what goes in comes out: ${what}`, (t) => {
    const { architecture, recipe, state } = sampleRun(options);
    const bytes = Buffer.concat(encodeCheckpoint(architecture, recipe, state));
    const decoded = decodeCheckpoint(bytes, path);
    t.strictSame(decoded.recipe, recipe);
    t.strictSame(decoded.state, state);
    t.same(Buffer.concat(encodeCheckpoint(architecture, decoded.recipe, decoded.state)), bytes);
    t.end();
  });
}

t.test('bytes that are not aligned give the same', (t) => {
  const bytes = encode({ stopping: 'best' });
  for (let offset = 1; offset < 8; offset++) {
    const shifted = new Uint8Array(bytes.length + 8).subarray(offset, offset + bytes.length);
    shifted.set(bytes);
    t.strictSame(decodeCheckpoint(shifted, path).state, sampleRun({ stopping: 'best' }).state, `${offset}`);
  }
  t.end();
});

t.test('sums of losses come back to the last bit', (t) => {
  const { architecture, recipe, state } = sampleRun();
  for (const lossSum of [0, 0.1 + 0.2, Number.MIN_VALUE, 2 ** 53 - 1, 1 / 3, Number.MAX_VALUE]) {
    const bytes = Buffer.concat(encodeCheckpoint(architecture, recipe, { ...state, lossSum }));
    t.equal(decodeCheckpoint(bytes, path).state.lossSum, lossSum);
  }
  t.end();
});

t.test('what is encoded does not change with the memory of the optimizer', (t) => {
  const { architecture, recipe, state } = sampleRun();
  const parts = encodeCheckpoint(architecture, recipe, state);
  state.optimizer.fill(9);
  t.same(Buffer.concat(parts), encode());
  t.end();
});

t.test('others read it: metadata, tensors by name, a data section that begins with the model’s', (t) => {
  const options: SampleOptions = { model: 'dense(3) batchnorm dense(10)', stopping: 'best' };
  const { architecture, recipe, state } = sampleRun(options);
  const bytes = encode(options);
  const { tensors, metadata } = decodeSafetensors(bytes, path);
  const model = Buffer.concat(encodeSafetensors(architecture, state.snapshot, {}).slice(2));
  const data = bytes.subarray(8 + Number(bytes.readBigUInt64LE()));
  t.same(data.subarray(0, model.length), model);
  const zeroed = bytes.toString('latin1').replace(metadata.sha256, '0'.repeat(64));
  t.equal(createHash('sha256').update(zeroed, 'latin1').digest('hex'), metadata.sha256);
  const { sha256: _, lockstep, ...said } = metadata;
  t.match(lockstep, /^\d+\.\d+\.\d+$/);
  t.strictSame(said, {
    format: 'lockstep-checkpoint-1',
    recipe: canonicalJson(recipe),
    recipeId: recipeId(recipe),
    weightsDigest: weightsDigest(state.snapshot),
    stateDigest: stateDigest(architecture, state.snapshot, state),
    cursor: JSON.stringify({ epoch: 3, step: 17, lossSum: state.lossSum }),
    stopping: JSON.stringify({ worse: 1, best: { epoch: 2, value: state.stopping?.best?.value } }),
    chain: state.chain,
  });
  const trained = ['0.weight', '0.bias', '1.weight', '1.bias', '2.weight', '2.bias'];
  const all = [...trained.slice(0, 4), '1.running_mean', '1.running_var', ...trained.slice(4)];
  const numbers = ['steps', 'loss', 'testLoss', 'testAccuracy', 'seconds', 'samplesPerSecond'];
  const model_ = [...all, '1.num_batches_tracked'];
  t.same(
    [...tensors.keys()],
    [
      ...model_,
      ...trained.map((name) => `optimizer.${name}`),
      ...model_.map((name) => `best.${name}`),
      ...numbers.map((name) => `epochs.${name}`),
    ],
  );
  t.same(
    [...(tensors.get('epochs.loss')?.values ?? [])],
    state.epochs.map(({ loss }) => loss),
  );
  t.end();
});

for (const stopping of ['none', 'best'] as const) {
  const bytes = encode({ stopping });
  const size = `${(bytes.length / 1024).toFixed(1)} KiB, stopping: ${stopping}`;

  t.test(`all truncations of a checkpoint are refused (${size})`, (t) => {
    let count = 0;
    for (let length = 0; length < bytes.length; length++) {
      if (/; it was cut off( or altered)?$/.test(refused(bytes.subarray(0, length)))) count++;
    }
    t.equal(count, bytes.length);
    t.end();
  });

  t.test(`all single bit flips of a checkpoint are refused (${size})`, (t) => {
    const copy = Buffer.from(bytes);
    let count = 0;
    for (let bit = 0; bit < 8 * copy.length; bit++) {
      copy[bit >> 3] ^= 1 << (bit & 7);
      if (/altered$/.test(refused(copy))) count++;
      copy[bit >> 3] ^= 1 << (bit & 7);
    }
    t.equal(count, 8 * bytes.length);
    t.same(
      decodeCheckpoint(copy, path).state,
      sampleRun({ stopping }).state,
      'the last one undone it is whole',
    );
    t.end();
  });
}

t.test('bytes behind the end are refused', (t) => {
  t.match(refused(Buffer.concat([encode(), Buffer.alloc(8)])), /it was cut off or altered$/);
  t.end();
});

t.test('each reason is said in one line', (t) => {
  const bytes = encode();
  const where = JSON.stringify(path);
  t.equal(refused(Buffer.alloc(0)), `${where}: has 0 bytes, expected a checkpoint; it was cut off`);
  const { architecture, recipe, state } = sampleRun();
  const model = Buffer.concat(
    encodeSafetensors(architecture, state.snapshot, { recipe: canonicalJson(recipe) }),
  );
  t.equal(refused(model), `${where}: does not begin as a checkpoint does; it is another file or was altered`);
  const altered = Buffer.from(bytes);
  altered[altered.length - 1] ^= 1;
  t.match(
    refused(altered),
    /: its bytes have the SHA-256 [0-9a-f]{64}, it states "[0-9a-f]{64}"; it was cut/,
  );
  t.end();
});

/** Changes to a header that leave the file whole, with the right hash, and the reason for which it is refused. */
type Header = Record<string, Record<string, unknown>>;
const changes: Record<string, [(header: Header) => void, RegExp]> = {
  'another format': [
    ({ __metadata__: m }) => Object.assign(m, { format: 'pt' }),
    /its format is "pt", expected "lockstep-checkpoint-1"; it was not written by this version/,
  ],
  'no recipe': [({ __metadata__: m }) => delete m.recipe, /has no recipe in its metadata/],
  'an unusable recipe': [
    ({ __metadata__: m }) => Object.assign(m, { recipe: '{"arithmetic":2}' }),
    /the recipe in its metadata cannot be used \(arithmetic: /,
  ],
  'a recipe that is not canonical': [
    ({ __metadata__: m }) => Object.assign(m, { recipe: ` ${m.recipe}` }),
    /its recipe is " \{.*by its contents expected "\{/,
  ],
  'another recipe id': [
    ({ __metadata__: m }) => Object.assign(m, { recipeId: '' }),
    /its recipeId is "", by its contents expected "[0-9a-f]{64}"/,
  ],
  'another model': [
    ({ __metadata__: m }) => Object.assign(m, { recipe: String(m.recipe).replace('dense(1)', 'dense(2)') }),
    /tensor 0.weight is F32 \(1, 784\), expected F32 \(2, 784\)/,
  ],
  'another weights digest': [
    ({ __metadata__: m }) => Object.assign(m, { weightsDigest: 'x' }),
    /its weightsDigest is "x", by its contents/,
  ],
  'another state digest': [
    ({ __metadata__: m }) => Object.assign(m, { stateDigest: 'x' }),
    /its stateDigest is "x", by its contents/,
  ],
  'another cursor': [
    ({ __metadata__: m }) => Object.assign(m, { cursor: '{"epoch":3,"step":16,"lossSum":1}' }),
    /its stateDigest is "[0-9a-f]{64}", by its contents/,
  ],
  'a cursor that says more': [
    ({ __metadata__: m }) => Object.assign(m, { cursor: String(m.cursor).replace('}', ',"a":1}') }),
    /its cursor is "/,
  ],
  'no cursor': [
    ({ __metadata__: m }) => delete m.cursor,
    /its cursor is "undefined", expected a JSON object/,
  ],
  'a cursor of another kind': [
    ({ __metadata__: m }) => Object.assign(m, { cursor: '{"epoch":3,"step":-1,"lossSum":1e309}' }),
    /its cursor is ".*", expected epoch, step and lossSum/,
  ],
  'other epochs': [
    ({ __metadata__: m }) => Object.assign(m, { cursor: '{"epoch":2,"step":17,"lossSum":1}' }),
    /its epochs.steps is not of the 2 epochs that its cursor says are done/,
  ],
  'no stopping': [({ __metadata__: m }) => delete m.stopping, /its stopping is "undefined"/],
  'a stopping of another kind': [
    ({ __metadata__: m }) => Object.assign(m, { stopping: '{"worse":1,"best":3}' }),
    /its stopping is ".*", expected worse and best/,
  ],
  'no chain': [({ __metadata__: m }) => delete m.chain, /its chain is "undefined", expected 64 hex/],
  'a chain of another kind': [
    ({ __metadata__: m }) => Object.assign(m, { chain: `${m.chain} ` }),
    /its chain is "[0-9a-f]+ ", expected 64 hexadecimal digits/,
  ],
  'no best': [
    ({ __metadata__: m }) => Object.assign(m, { stopping: '{"worse":1,"best":null}' }),
    /it has a best model, its stopping has none/,
  ],
  'a renamed tensor of the optimizer': [
    (header) => {
      header['optimizer.x'] = header['optimizer.0.bias'];
      delete header['optimizer.0.bias'];
    },
    /: optimizer: its tensors do not fit the model "dense\(1\) dense\(10\)": missing "0.bias", too many "x"/,
  ],
  'a renamed tensor of the best model': [
    (header) => {
      header['best.x'] = header['best.0.bias'];
      delete header['best.0.bias'];
    },
    /: best: its tensors do not fit the model/,
  ],
  'a renamed number of epochs': [
    (header) => {
      header['epochs.x'] = header['epochs.loss'];
      delete header['epochs.loss'];
    },
    /its epochs.loss is not of the 3 epochs/,
  ],
  'a shape of another size': [
    (header) => Object.assign(header['0.bias'], { shape: [2] }),
    /tensor "0.bias" of shape \(2\) needs 8 bytes/,
  ],
};

for (const [what, [change, reason]] of Object.entries(changes)) {
  t.test(`refused although its hash is right: ${what}`, (t) => {
    const bytes = encode({ stopping: 'best' });
    t.strictSame(hashed(withHeader(bytes, () => {})), bytes, 'without a change it is the same');
    t.match(refused(hashed(withHeader(bytes, (header) => change(header as Header)))), reason);
    t.end();
  });
}

t.test('__proto__ in a header, in metadata and in what they say changes nothing', (t) => {
  const bytes = encode();
  const { state } = decodeCheckpoint(bytes, path);
  const poison = '"__proto__":{"polluted":"yes","format":"x"}';
  const text = bytes.toString('latin1', 8, 8 + Number(bytes.readBigUInt64LE())).trimEnd();
  const with_ = (changed: string): Uint8Array => {
    t.not(changed, text, 'it was put in');
    return hashed(withHeader(bytes, () => changed));
  };
  t.match(refused(with_(text.replace(/}$/, `,${poison}}`))), /tensor "__proto__" is not described/);
  const entry = '"__proto__":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}';
  t.match(refused(with_(text.replace(/}$/, `,${entry}}`))), /too many "__proto__"/);
  t.match(refused(with_(text.replace('"format"', `${poison},"format"`))), /not a table of texts/);
  const inside = with_(text.replace('"format"', '"__proto__":"x","format"'));
  t.strictSame(decodeCheckpoint(inside, path).state, state, 'a text of this name is one that nobody reads');
  for (const field of ['cursor', 'recipe']) {
    const escaped = JSON.stringify(`{${poison},`).slice(1, -1);
    t.match(refused(with_(text.replace(`"${field}":"{`, `"${field}":"${escaped}`))), new RegExp(field));
  }
  t.equal(Reflect.get({}, 'polluted'), undefined);
  t.end();
});
