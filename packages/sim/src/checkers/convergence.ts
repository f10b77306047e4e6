/**
 * Convergence: when all is healed and nobody writes, all replicas are equal, by their own account (version
 * vectors, digests), by everything that a client can read, and by what stands in their stores.
 */
import { equalVersionVectors } from '@causeway/crdt';
import type { Status } from '@causeway/replica';
import type { Walls } from '../expectation.js';
import { type History, nameOf } from '../history.js';
import type { NodeContents } from '../rest.js';
import { show, Violation } from '../violation.js';
import type { Checker } from './checker.js';

/** Whether all say that they are ready, settled and the same. */
export function haveConverged(statuses: readonly (Status | undefined)[]): boolean {
  const [first] = statuses;
  return statuses.every(
    (status) =>
      status !== undefined &&
      first !== undefined &&
      status.ready &&
      status.writable &&
      status.settled &&
      status.digest === first.digest &&
      equalVersionVectors(status.versionVector, first.versionVector),
  );
}

export class ConvergenceChecker implements Checker {
  constructor(private readonly walls: Walls) {}

  atRest(all: readonly NodeContents[], history: History): void {
    const moving = this.moving(all, history);
    const nodes = all.map((one) => without(one, moving));
    const [first, ...others] = nodes;
    if (first === undefined) return;
    for (const other of others) {
      for (const name of new Set([...first.values.keys(), ...other.values.keys()])) {
        const [a, b] = [first.values.get(name), other.values.get(name)];
        if (a !== b)
          throw new Violation('convergence', `${name} is ${a} at n${first.node}, ${b} at n${other.node}`);
      }
      if (show(first.listed) !== show(other.listed)) {
        throw new Violation(
          'convergence',
          `n${first.node} lists ${show(first.listed)}, n${other.node} ${show(other.listed)}`,
        );
      }
    }
    for (const { node, listed, values } of nodes) {
      const there = [...values].filter(([, value]) => value !== NOTHING).map(([name]) => name);
      if (show(there) !== show([...listed].sort())) {
        throw new Violation(
          'convergence',
          `n${node} lists ${show(listed)}, but what can be read is ${show(there)}`,
        );
      }
    }
  }

  /** Registers that may have expired between the reading at one node and at another. */
  private moving(nodes: readonly NodeContents[], history: History): Set<string> {
    const from = Math.min(...nodes.map(({ read }) => this.walls.during(read).least));
    const to = Math.max(...nodes.map(({ read }) => this.walls.during(read).most));
    const moving = new Set<string>();
    for (const call of history.calls) {
      for (const operation of call.operations) {
        if (operation.op !== 'register.set' || operation.ttlMs === undefined) continue;
        const { least, most } = this.walls.during(call);
        if (least + operation.ttlMs <= to && most + operation.ttlMs >= from) moving.add(nameOf(operation));
      }
    }
    return moving;
  }
}

function without(contents: NodeContents, names: ReadonlySet<string>): NodeContents {
  return {
    ...contents,
    values: new Map([...contents.values].filter(([name]) => !names.has(name))),
    listed: contents.listed.filter((name) => !names.has(name)),
  };
}

/** A key's contents when there is nothing under it. */
export const NOTHING = 'nothing';
