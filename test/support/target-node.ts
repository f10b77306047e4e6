/** A node that strangers are let loose on, and an honest peer of it, which must not notice. */
import { connect } from '@causeway/client';
import { ERRORS } from '@causeway/protocol';
import { expect } from 'vitest';
import { type Cluster, type NodeStatus, startCluster, until } from './cluster.js';

/** Between two writes at the honest peer. Milliseconds. */
const WRITE_EVERY_MS = 10;
const COUNTER = 'honest';

/** Starts both; they are stopped when the test has finished. */
export async function startTarget(): Promise<TargetNode> {
  return new TargetNode(await startCluster({ regions: ['eu', 'us'] }));
}

export class TargetNode {
  /** URL of its peer port, without any link before it. */
  readonly address: string;
  private written = 0;

  constructor(private readonly cluster: Cluster) {
    this.address = peerAddress(this.node.log());
  }

  get admin(): string {
    return this.node.urls.admin;
  }

  /** Lines of its log; only the newest are kept. */
  get logged(): string[] {
    return this.node.log();
  }

  status(): Promise<NodeStatus> {
    return this.node.status();
  }

  /** Codes that stand in its log. */
  loggedCodes(): Set<string> {
    return new Set(this.node.log().flatMap(codeOf));
  }

  /** Writes at the honest peer, and sees that they arrive here, until `story` is over. */
  async writingDuring(story: Promise<unknown>): Promise<void> {
    let over = false;
    const told = story.finally(() => {
      over = true;
    });
    const db = await connect({ endpoints: [this.cluster.node('us').urls.client] });
    const here = await connect({ endpoints: [this.node.urls.client] });
    try {
      const look = async () => {
        const value = await db.counter(COUNTER).increment();
        this.written++;
        const isThere = async () => (await here.counter(COUNTER).value()) >= value;
        await until(`write ${value} of the honest peer to arrive`, isThere, {
          everyMs: 1,
          timeoutMs: 10_000,
        });
        return over;
      };
      await until('the strangers to be through', look, { everyMs: WRITE_EVERY_MS, timeoutMs: 180_000 });
      await told;
    } finally {
      await Promise.all([db.close(), here.close()]);
    }
  }

  /** It runs, holds what the honest peer holds and nothing else, was never cut off from it, and goes on. */
  async expectUnharmed(): Promise<void> {
    const { cluster } = this;
    await this.writingDuring(Promise.resolve());
    const [eu, us] = await cluster.untilEqual();
    expect(eu?.versionVector).toEqual({ [us?.replica ?? '']: this.written });
    expect(lostLinks(cluster.node('us').log())).toEqual([]);
    expect([...this.loggedCodes()].filter((code) => !Object.hasOwn(ERRORS, code))).toEqual([]);
  }

  private get node() {
    return this.cluster.node('eu');
  }
}

function peerAddress(log: readonly string[]): string {
  for (const line of log) {
    const { msg, peer } = JSON.parse(line) as { msg: string; peer?: string };
    if (msg === 'listening') return `ws://${peer}`;
  }
  throw new Error('the node has not said where it listens');
}

/** Two that meet dial each other, and one of the two links goes: that is none. */
function lostLinks(log: readonly string[]): string[] {
  return log.filter((line) => line.includes('link lost') && !line.includes('replaced by another link'));
}

function codeOf(line: string): string[] {
  const { code } = JSON.parse(line) as { code?: string };
  return code === undefined ? [] : [code];
}
