import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Batch, Log } from '@causeway/replica';
import type { Level } from 'level';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { LevelStorage } from './level-storage.js';
import { memoryLog, scratchDirectory } from './testing/scratch.js';

const bytes = (text: string) => new TextEncoder().encode(text);
const text = (value: Uint8Array | undefined) => value && new TextDecoder().decode(value);
const puts = (...entries: [string, string][]): Batch => ({
  puts: entries.map(([key, value]) => ({ key: bytes(key), value: bytes(value) })),
  deletes: [],
});
const everything = { id: 1, from: bytes('a'), to: bytes('z'), entriesMax: 1000, bytesMax: 1 << 20 };
const startRanges = [
  { from: bytes('r'), to: bytes('s') },
  { from: bytes('i'), to: bytes('j') },
];

async function open(
  directory: string,
  log: Log = memoryLog(),
  initialBatch = () => puts(['identity', 'eu.00000001']),
): Promise<LevelStorage> {
  const storage = await LevelStorage.open({ directory, startRanges, initialBatch, log });
  onTestFinished(() => storage.close());
  return storage;
}

/** The handle under it, to break it. */
const handle = (storage: LevelStorage) => Reflect.get(storage, 'db') as Level<Uint8Array, Uint8Array>;

describe('LevelStorage', () => {
  test('a batch is there after closing and opening again, deletes included', async () => {
    const directory = await scratchDirectory();
    const first = await open(directory);
    await first.write(puts(['a', '1'], ['b', '2']));
    await first.write({ puts: [{ key: bytes('c'), value: bytes('3') }], deletes: [bytes('a')] });
    await first.close();

    const second = await open(directory);
    const values = await second.load([bytes('c'), bytes('a'), bytes('b')]);

    expect(values.map(text)).toEqual(['3', undefined, '2']);
  });

  test('records come range by range, in the order of the ranges', async () => {
    const storage = await open(await scratchDirectory());
    await storage.write(puts(['r2', 'y'], ['r1', 'x'], ['other', 'z']));

    const { entries } = await storage.records();

    expect(entries.map(({ key }) => text(key))).toEqual(['r1', 'r2', 'identity']);
  });

  test('keys are ordered by bytes, not by characters', async () => {
    const storage = await open(await scratchDirectory());
    const order = ['b', 'b\u007f', 'b\u0080', 'b\uffee', 'b\u{10000}'];
    await storage.write(puts(...order.toReversed().map((key): [string, string] => [key, ''])));

    const entries = await storage.scan({ ...everything, from: bytes('b'), to: bytes('c') });

    expect(entries.map(({ key }) => text(key))).toEqual(order);
  });

  test.each([
    { name: 'entriesMax', scan: { entriesMax: 3 }, want: 3 },
    { name: 'the entry that reaches bytesMax', scan: { bytesMax: 5 * 1004 - 1 }, want: 5 },
    { name: 'one entry at least, however large', scan: { bytesMax: 1 }, want: 1 },
    { name: 'the range', scan: { to: bytes('k900') }, want: 900 },
  ])('a scan ends at $name', async ({ scan, want }) => {
    const storage = await open(await scratchDirectory());
    const entry = (i: number): [string, string] => [`k${String(i).padStart(3, '0')}`, 'x'.repeat(1000)];
    await storage.write(puts(...Array.from({ length: 1000 }, (_, i) => entry(i))));

    const entries = await storage.scan({ ...everything, from: bytes('k'), ...scan });

    expect(entries).toHaveLength(want);
  });

  test('a scan reads one snapshot, also when it takes several steps', async () => {
    const storage = await open(await scratchDirectory());
    const all = Array.from({ length: 2000 }, (_, i) => `k${String(i).padStart(4, '0')}`);
    await storage.write(puts(...all.map((key): [string, string] => [key, 'old'])));

    const scanning = storage.scan({ ...everything, from: bytes('k'), to: bytes('l'), entriesMax: 2000 });
    await storage.write(puts(...all.map((key): [string, string] => [key, 'new'])));

    expect(new Set((await scanning).map(({ value }) => text(value)))).toEqual(new Set(['old']));
  });

  test('a snapshot holds what was written before it, until it is closed', async () => {
    const storage = await open(await scratchDirectory());
    await storage.write(puts(['a', '1'], ['b', '1']));
    storage.openSnapshot(7);
    await storage.write(puts(['a', '2'], ['c', '2']));

    const loaded = storage.load([bytes('a'), bytes('c')], 7);
    const scanning = storage.scan({ ...everything, from: bytes('a'), to: bytes('d'), snapshot: 7 });

    expect((await loaded).map(text)).toEqual(['1', undefined]);
    expect((await scanning).map(({ value }) => text(value))).toEqual(['1', '1']);
    storage.closeSnapshot(7);
    await expect(storage.load([bytes('a')], 7)).rejects.toThrow('gone');
  });

  test('a new handle has none of the snapshots of the old one', async () => {
    const storage = await open(await scratchDirectory());
    storage.openSnapshot(7);
    await handle(storage).close();

    await storage.reopen();

    await expect(storage.scan({ ...everything, snapshot: 7 })).rejects.toThrow('gone');
    storage.closeSnapshot(7);
  });

  test('after a failed write reopen makes a handle that keeps what was written before and after', async () => {
    const directory = await scratchDirectory();
    const storage = await open(directory);
    await storage.write(puts(['a', '1']));
    await handle(storage).close();
    await expect(storage.write(puts(['b', '2']))).rejects.toThrow();

    const { entries } = await storage.reopen();
    await storage.write(puts(['c', '3']));
    await storage.close();

    expect(entries.map(({ key }) => text(key))).toEqual(['identity']);
    const values = await (await open(directory)).load([bytes('a'), bytes('b'), bytes('c')]);
    expect(values.map(text)).toEqual(['1', undefined, '3']);
  });

  test('while the disk takes no bytes the old handle serves reads, and reopen waits', async () => {
    const directory = await scratchDirectory();
    const lines: Parameters<typeof memoryLog>[0] = [];
    const storage = await open(directory, memoryLog(lines));
    await storage.write(puts(['a', '1']));
    await mkdir(join(directory, 'probe'));

    const reopened = storage.reopen();
    await expect.poll(() => lines.length).toBeGreaterThan(1);
    const during = await storage.load([bytes('a')]);
    await rm(join(directory, 'probe'), { recursive: true });
    await reopened;

    expect(during.map(text)).toEqual(['1']);
    expect(lines.map(({ level }) => level)).toContain('warn');
    await storage.write(puts(['b', '2']));
  });

  test('what LevelDB took while the file system was dying is not read before the store is opened anew', async () => {
    const storage = await open(await scratchDirectory());
    await storage.write(puts(['a', '1']));
    const pulse = Reflect.get(storage, 'pulse') as { file: number };
    const { file } = pulse;
    pulse.file = 1 << 20;

    await expect(storage.write(puts(['a', '2']))).rejects.toMatchObject({ code: 'EBADF' });

    await expect(storage.load([bytes('a')])).rejects.toThrow();
    await expect(storage.scan(everything)).rejects.toThrow();
    expect(storage.readNow(bytes('a'))).toBe('later');
    pulse.file = file;
    await storage.reopen();
    expect((await storage.load([bytes('a')])).map(text)).toEqual(['2']);
    expect(text(storage.readNow(bytes('a')) as Uint8Array)).toBe('2');
  });

  test('reads that come while the handle is exchanged wait for the new one', async () => {
    const storage = await open(await scratchDirectory());
    await storage.write(puts(['a', '1']));

    const reads: Promise<readonly (Uint8Array | undefined)[]>[] = [];
    let done = false;
    const reopened = storage.reopen().finally(() => {
      done = true;
    });
    const now = new Set<string | undefined>();
    const readOn = () => {
      reads.push(storage.load([bytes('a')]));
      const value = storage.readNow(bytes('a'));
      now.add(typeof value === 'string' ? value : text(value));
      return done;
    };
    await expect.poll(readOn, { interval: 1 }).toBe(true);
    await reopened;

    // One that had been given to the old handle when it closed may fail; none may see nothing.
    for (const read of await Promise.allSettled(reads)) {
      if (read.status === 'fulfilled') expect(read.value.map(text)).toEqual(['1']);
    }
    expect(now).toEqual(new Set(['1', 'later']));
  });

  test('reads records on this thread while there is time for that, and none of a store that is closed', async () => {
    const storage = await open(await scratchDirectory());
    await storage.write(puts(['a', '1']));

    const spent: number[] = [];
    const allowance = { allows: () => spent.length < 3, took: (ms: number) => spent.push(ms) };
    Reflect.set(storage, 'allowance', allowance);
    expect(text(storage.readNow(bytes('a')) as Uint8Array)).toBe('1');
    expect(storage.readNow(bytes('b'))).toBeUndefined();
    expect(text(storage.readNow(bytes('a')) as Uint8Array)).toBe('1');
    expect(spent.every((ms) => ms > 0)).toBe(true);
    expect(storage.readNow(bytes('a'))).toBe('later');
    spent.length = 0;
    await storage.close();
    expect(storage.readNow(bytes('a'))).toBe('later');
  });

  test('leaves reading to the thread pool while the disk does not answer', async () => {
    const storage = await open(await scratchDirectory());
    await storage.write(puts(['a', '1']));
    Reflect.set(storage, 'allowance', { allows: () => true, took: () => undefined });
    let answer: (values: (Uint8Array | undefined)[]) => void = () => undefined;
    const stalled = new Promise<(Uint8Array | undefined)[]>((resolve) => {
      answer = resolve;
    });
    vi.spyOn(handle(storage), 'getMany').mockReturnValueOnce(stalled);

    const load = storage.load([bytes('a')]);
    expect(storage.readNow(bytes('a'))).not.toBe('later');
    await expect.poll(() => storage.readNow(bytes('a')), { interval: 5 }).toBe('later');
    answer([undefined]);
    await load;
    expect(storage.readNow(bytes('a'))).not.toBe('later');
  });

  test('closing ends a reopen that is still waiting', async () => {
    const directory = await scratchDirectory();
    const storage = await open(directory);
    await mkdir(join(directory, 'probe'));

    const reopened = storage.reopen();
    await storage.close();

    await expect(reopened).rejects.toMatchObject({ code: 'CAUSEWAY_CLOSED' });
  });
});

describe('A data directory', () => {
  test('is made with its parents, with a marker and the first batch', async () => {
    const directory = join(await scratchDirectory(), 'deep', 'er');

    const storage = await open(directory);

    expect((await readdir(directory)).sort()).toEqual(['causeway.json', 'db']);
    expect(JSON.parse(await readFile(join(directory, 'causeway.json'), 'utf8'))).toEqual({ format: 1 });
    expect((await storage.records()).entries.map(({ value }) => text(value))).toEqual(['eu.00000001']);
  });

  test('keeps its identity: the first batch is written once', async () => {
    const directory = await scratchDirectory();
    await (await open(directory)).close();

    const again = await open(directory, memoryLog(), () => puts(['identity', 'another']));

    expect((await again.records()).entries.map(({ value }) => text(value))).toEqual(['eu.00000001']);
  });

  test('that another open storage holds is in use', async () => {
    const directory = await scratchDirectory();
    await open(directory);

    await expect(open(directory)).rejects.toMatchObject({ code: 'CAUSEWAY_DATA_IN_USE' });
  });

  test('that two start on at once goes to one of them', async () => {
    const directory = await scratchDirectory();

    const outcomes = await Promise.allSettled([open(directory), open(directory), open(directory)]);

    const codes = outcomes.map((outcome) => (outcome.status === 'fulfilled' ? 'open' : outcome.reason.code));
    expect(codes.sort()).toEqual(['CAUSEWAY_DATA_IN_USE', 'CAUSEWAY_DATA_IN_USE', 'open']);
    expect((await readdir(directory)).sort()).toEqual(['causeway.json', 'db']);
  });

  test.each([
    {
      name: 'a store half made before the power went',
      damage: async (directory: string) => {
        await rename(join(directory, 'db'), join(directory, 'db.new-0123456789abcdef'));
        await rm(join(directory, 'causeway.json'));
        await writeFile(join(directory, 'db.new-0123456789abcdef', 'CURRENT'), '');
      },
      want: 'another',
    },
    {
      name: 'a complete store whose marker the power cut took',
      damage: (directory: string) => rm(join(directory, 'causeway.json')),
      want: 'eu.00000001',
    },
    {
      name: 'a marker half written',
      damage: async (directory: string) => {
        await rename(join(directory, 'causeway.json'), join(directory, 'causeway.json.new'));
        await writeFile(join(directory, 'causeway.json.new'), '{"fo');
      },
      want: 'eu.00000001',
    },
  ])('starts by itself with $name', async ({ damage, want }) => {
    const directory = await scratchDirectory();
    await (await open(directory)).close();
    await damage(directory);

    const storage = await open(directory, memoryLog(), () => puts(['identity', 'another']));

    expect((await storage.records()).entries.map(({ value }) => text(value))).toEqual([want]);
    expect((await readdir(directory)).filter((name) => name.startsWith('db.new'))).toEqual([]);
  });

  test.each([
    {
      name: 'without its CURRENT file',
      damage: (directory: string) => rm(join(directory, 'db', 'CURRENT')),
    },
    {
      name: 'without CURRENT file and marker',
      damage: async (directory: string) => {
        await rm(join(directory, 'db', 'CURRENT'));
        await rm(join(directory, 'causeway.json'));
      },
    },
    {
      name: 'without its store',
      damage: (directory: string) => rename(join(directory, 'db'), join(directory, 'elsewhere')),
    },
    {
      name: 'with an empty MANIFEST',
      damage: async (directory: string) => {
        const current = (await readFile(join(directory, 'db', 'CURRENT'), 'utf8')).trim();
        await writeFile(join(directory, 'db', current), '');
      },
    },
    {
      name: 'of a later format',
      damage: (directory: string) => writeFile(join(directory, 'causeway.json'), '{"format":2}'),
    },
    {
      name: 'with a marker that is no JSON',
      damage: (directory: string) => writeFile(join(directory, 'causeway.json'), ''),
    },
    {
      name: 'that is a file',
      damage: async (directory: string) => {
        await rm(directory, { recursive: true });
        await writeFile(directory, '');
      },
    },
  ])('$name is unreadable, and left as it is', async ({ damage }) => {
    const directory = await scratchDirectory();
    await (await open(directory)).close();
    await damage(directory);
    const before = await readdir(directory).catch(() => 'no directory');

    const opening = open(directory);

    await expect(opening).rejects.toMatchObject({
      code: 'CAUSEWAY_DATA_UNREADABLE',
      message: expect.stringContaining(directory),
    });
    expect(await readdir(directory).catch(() => 'no directory')).toEqual(before);
  });
});
