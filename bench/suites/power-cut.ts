/**
 * Power cuts under load, on a real file system: one region keeps its data on a disk that can lose its power, the
 * others have ordinary directories, and clients write to all of them.
 *
 * The disk is a script's, called as `SCRIPT make|cut|restore|remove DIR`: `cut` drops at once what was never synced,
 * and what is written from then on fails; `restore` mounts what is left.
 *
 * Held after every cut
 * - The node starts by itself, and is the same replica as before. A new one it may only be when nobody has ever heard
 *   of the old one.
 * - Every acknowledged write is there, in every region, and every write is whole or not there at all.
 * - All regions hold the same.
 */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { type Cluster, type NodeProcess, startCluster, until } from '@causeway/cli';
import { connect, type Database } from '@causeway/client';
import { CausewayError } from '@causeway/protocol';
import { seeded } from './random.js';

export interface PowerCutOptions {
  /** Path of the script. */
  readonly script: string;
  /** Cuts, each followed by a restart and a check. The first comes within a second of the node's very first start. */
  readonly cuts: number;
  readonly seed: number;
  readonly report?: (cut: CutReport) => void;
}

export interface CutReport {
  readonly cut: number;
  /** When it came. */
  readonly moment: string;
  /** Writes in this round at the region that lost its power, and at all. */
  readonly acknowledgedThere: number;
  readonly acknowledged: number;
  readonly unknown: number;
  /** From the start after the cut until it took requests. Milliseconds. */
  readonly readyMs: number;
}

const REGIONS = ['eu', 'us', 'ap'] as const;
const VICTIM = 'eu';
/** Writes that are under way at each region at any time. */
const LANES = 8;
/** Within this of a start the cut comes in odd rounds. */
const START_MS = 1_000;
/** The process may live on for so long on its dead disk. Milliseconds. */
const AFTERLIFE_MS = 100;
const DISK_SIZE = '256M';
/** Of a client, with a node that may be down. Milliseconds. */
const PATIENCE = { connectTimeoutMs: 200, operationTimeoutMs: 2_000 };

/** Rejects with what is wrong as soon as something is. */
export async function runPowerCuts(options: PowerCutOptions): Promise<void> {
  const { script, cuts, seed, report } = options;
  const random = seeded(seed);
  const root = await mkdtemp(join(tmpdir(), 'causeway-power-'));
  const disk = new CrashDisk(script, join(root, 'disk'));
  const data = join(root, 'disk', 'node', 'data');
  let cluster: Cluster | undefined;
  await disk.call('make', DISK_SIZE);
  try {
    cluster = await startCluster({
      regions: REGIONS,
      delayMs: 5,
      directory: root,
      flags: (region) => (region === VICTIM ? ['--data', data] : []),
    });
    await cluster.untilReady();
    const forerunner = (await cluster.node(VICTIM).status()).replica;
    await cluster.node(VICTIM).stop();
    // An empty disk: what starts next starts for the first time.
    await disk.call('remove');
    await disk.call('make', DISK_SIZE);
    const story = new Story(cluster, disk, data, random, new Set([forerunner]));
    for (let cut = 1; cut <= cuts; cut++) report?.(await story.run(cut));
  } finally {
    await cluster?.node(VICTIM).kill();
    await cluster?.stop();
    await disk.call('remove');
    await rm(root, { recursive: true, force: true });
  }
}

class CrashDisk {
  constructor(
    private readonly script: string,
    private readonly path: string,
  ) {}

  async call(command: 'make' | 'cut' | 'restore' | 'remove', ...args: string[]): Promise<void> {
    await promisify(execFile)(this.script, [command, this.path, ...args]);
  }

  /** Until it works again: whatever else holds the dead file system for a moment would get it mounted anew as it is. */
  async restore(): Promise<void> {
    const probe = join(this.path, 'probe');
    const look = async () => {
      await this.call('restore');
      await writeFile(probe, 'probe', { flush: true });
      await rm(probe);
      return true;
    };
    await until('the disk to work after its restore', look, { everyMs: 200 });
  }
}

class Story {
  private readonly victim: NodeProcess;

  constructor(
    private readonly cluster: Cluster,
    private readonly disk: CrashDisk,
    private readonly data: string,
    private readonly random: () => number,
    /** Replicas of the victim's region that are no more. */
    private readonly gone: ReadonlySet<string>,
  ) {
    this.victim = cluster.node(VICTIM);
  }

  async run(cut: number): Promise<CutReport> {
    const load = new Load(this.cluster, cut);
    const moment = await load.during(() => this.cutPower(cut, load));
    await this.disk.restore();

    const startedAt = performance.now();
    await this.victim.start();
    await this.cluster.untilReady({ everyMs: 5 });
    const readyMs = performance.now() - startedAt;

    await this.cluster.untilEqual({ timeoutMs: 60_000 });
    await this.checkIdentity();
    for (const node of this.cluster.nodes) await load.check(node);
    checkSteadiness(this.victim);
    const { unknown } = load;
    const acknowledgedThere = load.acknowledged(VICTIM);
    const acknowledged = REGIONS.reduce((sum, region) => sum + load.acknowledged(region), 0);
    return { cut, moment, acknowledgedThere, acknowledged, unknown, readyMs };
  }

  /** Says when it came. In odd rounds soon after a start, the first one ever in round 1; else under full load. */
  private async cutPower(cut: number, load: Load): Promise<string> {
    const { random, victim } = this;
    let moment: string;
    let starting: Promise<unknown> = Promise.resolve();
    if (cut % 2 === 1) {
      await victim.kill();
      // Early moments are the likelier ones: that is when it makes its directory.
      const afterMs = Math.floor(random() ** 2 * START_MS);
      // It may end by itself, when it meets the dead disk.
      starting = victim.start().catch((error: unknown) => error);
      if (cut === 1) await until('the node to begin', () => existsSync(this.data), { everyMs: 1 });
      await delay(afterMs);
      moment = `${afterMs} ms ${cut === 1 ? 'into its very first start' : 'after a start'}`;
    } else {
      const enough = 50 + Math.floor(random() * 1_000);
      await until(`${enough} writes`, () => load.acknowledged(VICTIM) >= enough, { everyMs: 1 });
      moment = `after ${enough} writes`;
    }
    await this.disk.call('cut');
    await delay(random() * AFTERLIFE_MS);
    await victim.kill();
    await starting;
    return moment;
  }

  /** Nobody may know a replica of this region but the one that runs. */
  private async checkIdentity(): Promise<void> {
    const { replica } = await this.victim.status();
    for (const node of this.cluster.nodes) {
      const { peers } = await node.status();
      const others = peers.filter((peer) => peer.region === VICTIM && peer.replica !== replica);
      const lost = others.filter((peer) => !this.gone.has(peer.replica));
      if (lost.length > 0) {
        throw new Error(`${VICTIM} is ${replica} now, but ${node.region} has met it as ${lost[0]?.replica}`);
      }
    }
  }
}

/** Writes to every region until told to stop; each is one transaction over a register, a set and a counter. */
class Load {
  unknown = 0;
  private readonly counts = new Map<string, number>();
  private readonly keys: string[] = [];
  private readonly prefix: string;
  private serial = 0;
  private running = true;

  constructor(
    private readonly cluster: Cluster,
    cut: number,
  ) {
    this.prefix = `cut ${cut}`;
  }

  acknowledged(region: string): number {
    return this.counts.get(region) ?? 0;
  }

  async during<T>(story: () => Promise<T>): Promise<T> {
    const writers = this.cluster.nodes.map((node) => this.writeTo(node));
    const failed = Promise.all(writers).then(() => new Promise<never>(() => undefined));
    try {
      return await Promise.race([story(), failed]);
    } finally {
      this.running = false;
      await Promise.allSettled(writers);
    }
  }

  /** Every acknowledged write is there, and what is there is whole. */
  async check({ region, urls }: NodeProcess): Promise<void> {
    const db = await connect({ endpoints: [urls.client] });
    try {
      const present = await Promise.all(this.keys.map((key) => db.register(key).get()));
      const missing = this.keys.filter((_, index) => present[index] === undefined);
      if (missing.length > 0) {
        throw new Error(`${missing.length} acknowledged writes are missing in ${region}: ${missing[0]}`);
      }
      let elements = 0;
      for await (const key of db.set<string>(this.prefix).values()) {
        elements++;
        if ((await db.register(key).get()) === undefined) throw new Error(`${region} has half of ${key}`);
      }
      const count = await db.counter(this.prefix).value();
      if (count !== elements || count < this.keys.length || count > this.keys.length + this.unknown) {
        throw new Error(
          `${region} counts ${count} writes and has ${elements}; acknowledged ${this.keys.length}, unknown ${this.unknown}`,
        );
      }
    } finally {
      await db.close();
    }
  }

  private async writeTo(node: NodeProcess): Promise<void> {
    let db: Database | undefined;
    while (this.running) {
      db = await connect({ endpoints: [node.urls.client], ...PATIENCE }).catch(passOver);
      if (db === undefined) continue;
      const open = db;
      await Promise.all(Array.from({ length: LANES }, () => this.lane(node.region, open)));
      await db.close();
    }
  }

  /** Until a write fails. */
  private async lane(region: string, db: Database): Promise<void> {
    while (this.running) {
      const key = `${this.prefix} ${region} ${this.serial++}`;
      try {
        await db.transaction((tx) => {
          tx.register(key).set(`value of ${key}`);
          tx.set(this.prefix).add(key);
          tx.counter(this.prefix).increment();
        });
      } catch (error) {
        this.unknown++;
        return passOver(error);
      }
      this.keys.push(key);
      this.counts.set(region, this.acknowledged(region) + 1);
    }
  }
}

/** Errors that a node without power, or one that is not ready yet, may answer with. */
function passOver(error: unknown): undefined {
  if (error instanceof CausewayError && error.code !== 'CAUSEWAY_INTERNAL') return undefined;
  throw error;
}

/** It starts without a word of lost data. */
function checkSteadiness(node: NodeProcess): void {
  const lines = node
    .log()
    .filter((line) => /CAUSEWAY_(AMNESIA|CORRUPT|BAD_CHUNK|DUPLICATE_IDENTITY)/.test(line));
  if (lines.length > 0) throw new Error(`${node.region}: ${lines[0]}`);
}
