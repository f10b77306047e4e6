/**
 * Everything that a node answers when it is at rest: read as a client would, by listing and by getting every
 * key that any client has ever written.
 */
import type { KeyType, ListedKey, Operation, Result } from '@causeway/protocol';
import type { ScanEntry, Status } from '@causeway/replica';
import { NOTHING } from './checkers/convergence.js';
import type { Client } from './client.js';
import type { Cluster } from './cluster.js';
import type { Span } from './expectation.js';
import type { Call } from './history.js';
import type { Scheduler } from './scheduler.js';
import { show, Violation } from './violation.js';

export interface NodeContents {
  readonly node: number;
  /** When it was read. */
  readonly read: Span;
  readonly status: Status;
  /** By `type key`, in order; what a get answers, as text. */
  readonly values: ReadonlyMap<string, string>;
  /** The answers themselves. */
  readonly results: ReadonlyMap<string, Result>;
  /** `type key` of every listed key, in the listing's order. */
  readonly listed: readonly string[];
  /** Everything in its store at the moment of `status`, in key order. */
  readonly stored: readonly ScanEntry[];
}

/** Virtual time in which a node at rest must answer. Milliseconds. */
const ANSWER_MS = 30_000;
const RETRY_MS = 500;
const KEYS_PER_PAGE = 7;
const KEYS_PER_CALL = 20;

/** `names`: `type key`. */
export function readContents(
  cluster: Cluster,
  scheduler: Scheduler,
  client: Client,
  names: readonly string[],
): NodeContents {
  const invokedAt = scheduler.now;
  const listed = listKeys(cluster, scheduler, client.node).map(({ type, key }) => `${type} ${key}`);
  const all = [...new Set([...names, ...listed])].sort();
  const values = new Map<string, string>();
  const results = new Map<string, Result>();
  for (let from = 0; from < all.length; from += KEYS_PER_CALL) {
    const page = all.slice(from, from + KEYS_PER_CALL);
    const call = answered(scheduler, client, page.map(getOf));
    for (const [index, name] of page.entries()) {
      const result = call.results[index] as Result;
      results.set(name, result);
      values.set(name, textOf(result));
    }
  }
  const { disk } = cluster.node(client.node);
  scheduler.until(() => disk.isIdle, ANSWER_MS);
  return {
    node: client.node,
    read: { node: client.node, invokedAt, answeredAt: scheduler.now },
    status: cluster.status(client.node) as Status,
    values,
    results,
    listed,
    stored: disk.entries(),
  };
}

/** A node whose disk has failed to read asks again after a while; until then it says so. */
function answered(scheduler: Scheduler, client: Client, operations: readonly Operation[]): Call {
  for (const end = scheduler.now + ANSWER_MS; ; scheduler.runUntil(scheduler.now + RETRY_MS)) {
    const call = client.call(operations);
    if (call === undefined || !scheduler.until(() => call.outcome !== 'pending', ANSWER_MS)) {
      throw new Violation('one-answer', `n${client.node} does not answer at rest`);
    }
    if (call.outcome === 'acknowledged') return call;
    if (call.code !== 'CAUSEWAY_READ_FAILED' || scheduler.now > end) {
      throw new Violation('answers', `n${client.node} answers a read at rest with ${call.code}`);
    }
  }
}

function listKeys(cluster: Cluster, scheduler: Scheduler, node: number): ListedKey[] {
  const keys: ListedKey[] = [];
  let after: string | undefined;
  let request = 0;
  let done = false;
  const session = cluster.connect(node, {
    answered(answer) {
      if (answer.type === 'failure' && answer.error.code === 'CAUSEWAY_READ_FAILED') {
        scheduler.after(RETRY_MS, () => session?.listKeys(++request, KEYS_PER_PAGE, after));
        return;
      }
      if (answer.type !== 'keys')
        throw new Violation('answers', `n${node} answers a listing with ${show(answer)}`);
      keys.push(...answer.keys);
      after = answer.after;
      if (after === undefined) done = true;
      else session?.listKeys(++request, KEYS_PER_PAGE, after);
    },
    lost() {
      throw new Violation('one-answer', `n${node} went away at rest`);
    },
  });
  session?.listKeys(++request, KEYS_PER_PAGE, undefined);
  if (!scheduler.until(() => done, ANSWER_MS))
    throw new Violation('one-answer', `n${node} does not list its keys`);
  return keys;
}

function getOf(name: string): Operation {
  const key = name.slice(name.indexOf(' ') + 1);
  const type = name.slice(0, name.indexOf(' ')) as KeyType;
  switch (type) {
    case 'register':
      return { op: 'register.get', key };
    case 'set':
      return { op: 'set.values', key };
    case 'counter':
      return { op: 'counter.get', key };
  }
}

function textOf(result: Result): string {
  if (result.op === 'register.get')
    return result.value === undefined ? NOTHING : show([result.value, result.stamp]);
  if (result.op === 'set.values') return result.values.length === 0 ? NOTHING : show(result.values);
  if (result.op === 'counter.get') return result.value === 0 ? NOTHING : show(result.value);
  return show(result);
}
