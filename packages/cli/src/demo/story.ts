/**
 * The story of the demo: three regions at work, one is cut off, both sides go on, it comes back, all are equal.
 *
 * Everything that it says has been measured on the regions that it runs. It is told its surroundings: what to do with
 * words and pictures, and a signal that ends it at any point.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { type Cluster, startCluster } from '../cluster/cluster.js';
import { describeExit } from '../cluster/node-process.js';
import { areEqual, type NodeStatus } from '../cluster/node-status.js';
import { until } from '../cluster/poll.js';
import { isFree } from '../cluster/ports.js';
import { openDatabase } from '../node-api.js';
import { count, milliseconds, seconds } from '../terminal/text.js';
import { median, type ObservedNode, Observer } from './observer.js';
import { DURATIONS, FAR, JITTER_MS, oneWayMs, type Phase, PORTS, placeName, REGIONS } from './plan.js';
import type { Picture } from './screen.js';
import { Workload } from './workload.js';

export interface Stage {
  /** Something happened: stays to be read. */
  say(text: string): void;
  /** How things stand now, several times a second. */
  show(picture: Picture): void;
}

export interface Ending {
  readonly cluster: Cluster;
  readonly digests: readonly string[];
  readonly equal: boolean;
  /** A node that ends from now on is told here. */
  readonly crashed: Promise<Error>;
}

const OBSERVE_MS = 200;
/** While something is being measured. */
const LOOK_MS = 10;
const READY_TIMEOUT_MS = 20_000;
const EQUAL_TIMEOUT_MS = 30_000;
/** Links settle in, code warms up: not what the lags are about. Milliseconds. */
const WARM_UP_MS = 2_000;

export class Story {
  private readonly startedAt = performance.now();
  private readonly stop = new AbortController();
  private readonly signal: AbortSignal;
  private readonly crashed: Promise<Error>;
  private phase: Phase = 'start';
  private cutOff: string | undefined;
  private nodes: (ObservedNode & { readonly workload: Workload })[] = [];
  private crash: (error: Error) => void = () => {};

  constructor(
    private readonly stage: Stage,
    /** Undefined: a temporary directory. */
    private readonly directory: string | undefined,
    aborted: AbortSignal,
  ) {
    this.signal = AbortSignal.any([aborted, this.stop.signal]);
    this.crashed = new Promise((resolve) => {
      this.crash = resolve;
    });
  }

  /** `started` gets the cluster as soon as there is one: it has to be stopped, however this ends. */
  async tell(started: (cluster: Cluster) => void): Promise<Ending> {
    this.stage.say('Three regions start, as three processes with their data on disk.');
    const cluster = await this.startRegions();
    started(cluster);
    for (const node of cluster.nodes) {
      node.onCrash = (exit) => {
        const error = new Error(
          `${node.region} ended by itself (${describeExit(exit)}); its log:\n${node.tail()}`,
        );
        this.crash(error);
        this.stop.abort(error);
      };
    }
    await cluster.untilReady({ timeoutMs: READY_TIMEOUT_MS, signal: this.signal });
    this.nodes = await Promise.all(
      cluster.nodes.map(async (node) => {
        const db = await openDatabase(node.urls.client);
        return { node, db, workload: new Workload(node.region, db) };
      }),
    );
    try {
      const observer = new Observer(this.nodes);
      const watching = this.watch(observer);
      // It fails with the story when that is aborted; a failure of its own aborts the story.
      watching.catch((error: unknown) => this.stop.abort(error));
      await this.work(observer);
      await this.cut(cluster);
      await this.heal(cluster);
      const statuses = await this.settle(cluster);
      this.stop.abort();
      await watching;
      this.stage.show(await this.picture(observer));
      return {
        cluster,
        digests: statuses.map(({ digest }) => digest.root),
        equal: areEqual(statuses),
        crashed: this.crashed,
      };
    } finally {
      await Promise.all(this.nodes.map(({ workload }) => workload.stop()));
      await Promise.all(this.nodes.map(({ db }) => db.close()));
    }
  }

  private async startRegions(): Promise<Cluster> {
    const free = await Promise.all(PORTS.flatMap(({ client, admin }) => [isFree(client), isFree(admin)]));
    const usual = free.every((each) => each);
    return startCluster({
      regions: REGIONS.map(({ name }) => name),
      delayMs: oneWayMs,
      link: { jitterMs: JITTER_MS },
      ...(usual ? { ports: PORTS } : {}),
      ...(this.directory === undefined ? {} : { directory: this.directory }),
    });
  }

  private async work(observer: Observer): Promise<void> {
    this.phase = 'work';
    const places = REGIONS.map(({ name }) => placeName(name)).join(', ');
    const delays = pairsOfRegions().map(([a, b]) => `${pairName(a, b)} ${milliseconds(oneWayMs(a, b))}`);
    this.stage.say(`Links as long as between ${places}; one way:`);
    this.stage.say(`  ${delays.join(', ')} (half of published round trips).`);
    this.stage.say('Each region takes writes at once; the others learn of them one link later.');
    for (const { workload } of this.nodes) workload.start();
    await delay(WARM_UP_MS, undefined, { signal: this.signal });
    observer.sampling = true;
    await delay(DURATIONS.work - WARM_UP_MS, undefined, { signal: this.signal });
    observer.sampling = false;
    const lags = pairsOfRegions().map(([a, b]) => {
      const both = [
        ...(observer.samples.get(`${a}>${b}`) ?? []),
        ...(observer.samples.get(`${b}>${a}`) ?? []),
      ];
      const lag = median(both);
      return `${pairName(a, b)} ${lag === undefined ? 'unknown' : milliseconds(lag)}`;
    });
    this.stage.say(`  Lag measured, median: ${lags.join(', ')}.`);
  }

  private async cut(cluster: Cluster): Promise<void> {
    this.phase = 'cut';
    this.cutOff = FAR;
    cluster.links.around(FAR).cut();
    const cutAt = performance.now();
    this.stage.say(`✂ ${FAR} is cut off, in silence: nobody is told. Both sides go on writing.`);
    const noticed = async () =>
      (await cluster.node(FAR).status()).peers.every(({ state }) => state !== 'connected');
    await until('the cut to be noticed', noticed, { signal: this.signal });
    this.stage.say(`  ${FAR} has noticed after ${seconds((performance.now() - cutAt) / 1_000)}.`);
    await delay(Math.max(0, DURATIONS.cut - (performance.now() - cutAt)), undefined, { signal: this.signal });
  }

  private async heal(cluster: Cluster): Promise<void> {
    this.phase = 'heal';
    const before = await this.statuses();
    const missing = missingTransactions(before);
    cluster.links.around(FAR).heal();
    const healedAt = performance.now();
    this.stage.say(`The links are back; ${count(missing)} transactions have to cross.`);
    const goal = unionOf(before);
    const caughtUp = async () =>
      (await this.statuses()).every(({ versionVector }) => covers(versionVector, goal));
    await until('everybody to catch up', caughtUp, {
      timeoutMs: EQUAL_TIMEOUT_MS,
      everyMs: LOOK_MS,
      signal: this.signal,
    });
    this.cutOff = undefined;
    this.stage.say(`  Everybody has caught up ${milliseconds(performance.now() - healedAt)} after the heal.`);
    await delay(DURATIONS.afterHeal, undefined, { signal: this.signal });
  }

  private async settle(cluster: Cluster): Promise<NodeStatus[]> {
    this.phase = 'settle';
    await Promise.all(this.nodes.map(({ workload }) => workload.stop()));
    const stoppedAt = performance.now();
    const failed = this.nodes.find(({ workload }) => workload.failure !== undefined);
    if (failed !== undefined) throw failed.workload.failure;
    this.stage.say('The writers stop.');
    const statuses = await cluster.untilEqual({
      timeoutMs: EQUAL_TIMEOUT_MS,
      everyMs: LOOK_MS,
      signal: this.signal,
    });
    const took = milliseconds(performance.now() - stoppedAt);
    this.phase = 'done';
    this.stage.say(`  Converged: three equal digests ${took} after the last write was acknowledged.`);
    return statuses;
  }

  /** Shows how things stand until the story ends. */
  private async watch(observer: Observer): Promise<void> {
    while (!this.signal.aborted) {
      const picture = await this.picture(observer);
      if (this.signal.aborted) return;
      this.stage.show(picture);
      await delay(OBSERVE_MS, undefined, { signal: this.signal }).catch(() => {
        // Aborted: the loop sees it.
      });
    }
  }

  private async picture(observer: Observer): Promise<Picture> {
    const observation = await observer.observe();
    const { phase, cutOff } = this;
    return { phase, elapsedMs: performance.now() - this.startedAt, observation, cutOff };
  }

  private statuses(): Promise<NodeStatus[]> {
    return Promise.all(this.nodes.map(({ node }) => node.status()));
  }
}

function pairsOfRegions(): [string, string][] {
  const names = REGIONS.map(({ name }) => name);
  return names.flatMap((a, index) => names.slice(index + 1).map((b): [string, string] => [a, b]));
}

/** eu–us of eu-west and us-east. */
function pairName(a: string, b: string): string {
  return [a, b].map((region) => region.split('-')[0]).join('–');
}

function unionOf(statuses: readonly NodeStatus[]): Record<string, number> {
  const union: Record<string, number> = {};
  for (const { versionVector } of statuses) {
    for (const [replica, seq] of Object.entries(versionVector))
      union[replica] = Math.max(union[replica] ?? 0, seq);
  }
  return union;
}

function covers(a: Readonly<Record<string, number>>, b: Readonly<Record<string, number>>): boolean {
  return Object.entries(b).every(([replica, seq]) => (a[replica] ?? 0) >= seq);
}

/** Transactions that somebody has and somebody else lacks, counted once for each who lacks it. */
function missingTransactions(statuses: readonly NodeStatus[]): number {
  const union = unionOf(statuses);
  let missing = 0;
  for (const { versionVector } of statuses) {
    for (const [replica, seq] of Object.entries(union)) missing += seq - (versionVector[replica] ?? 0);
  }
  return missing;
}
