/**
 * Members that go for good: one that leaves hands over first; one that an operator removes is most often dead.
 *
 * Whoever has gone is not started again, and nobody waits for it any more. What a removed one had that no other node
 * has is lost with it, which is what the operator has decided.
 */
import type { ReplicaId } from '@causeway/crdt';
import { isRetired } from '@causeway/protocol';
import type { Cluster, ClusterNode } from './cluster.js';
import { doubtWhatIsLost } from './held-elsewhere.js';
import type { History } from './history.js';
import type { Scheduler } from './scheduler.js';

const LOOK_EVERY_MS = 50;
/** How long one that has left goes on telling the others. Milliseconds. */
const FAREWELL_MS = 2000;
/** Members that a cluster keeps. */
const LEAST = 2;
const TIDY_MS = 15_000;

export class Departures {
  /** On their way, and not called off. */
  private readonly leaving = new Set<ClusterNode>();

  constructor(
    private readonly cluster: Cluster,
    private readonly scheduler: Scheduler,
    private readonly history: History,
  ) {}

  /** Returns what calls it off; undefined when the cluster is too small. */
  leave(node: ClusterNode): (() => void) | undefined {
    if (node.driver === undefined || node.paused || node.stopping || !this.canSpare(node)) return undefined;
    node.host?.step({ type: 'leave' });
    this.leaving.add(node);
    let calledOff = false;
    const look = (): void => {
      if (node.gone) return;
      if (this.hasLeft(node)) this.scheduler.after(FAREWELL_MS, () => this.end(node));
      else if (!calledOff) this.scheduler.after(LOOK_EVERY_MS, look);
    };
    look();
    return () => {
      calledOff = true;
      if (this.hasLeft(node)) return this.end(node);
      node.host?.step({ type: 'resume' });
      // It may have left in the same moment.
      this.scheduler.after(FAREWELL_MS, () => this.stays(node));
    };
  }

  /** `dies`: at once; else it learns of it, if it can, and ends when it has. */
  remove(node: ClusterNode, dies: boolean): (() => void) | undefined {
    const replica = node.driver?.replica.id;
    if (replica === undefined || !this.canSpare(node)) return undefined;
    node.gone = true;
    if (dies) this.cluster.crash(node.index, true);
    doubtWhatIsLost(this.cluster, this.history, node);
    this.history.leaves(node.index);
    this.strike(replica);
    return () => this.end(node);
  }

  /** An operator takes a replica from the members, and makes sure that it is known. */
  strike(replica: ReplicaId): void {
    const insist = (): void => {
      const others = this.cluster.present().filter(({ driver }) => driver !== undefined);
      const isHeld = others.some(({ index }) =>
        this.cluster.status(index)?.members.some((member) => member.replica === replica && isRetired(member)),
      );
      if (isHeld) return;
      const [other] = others.filter(({ driver }) => driver?.replica.id !== replica);
      other?.host?.step({ type: 'remove-member', replica });
      this.scheduler.after(500, insist);
    };
    insist();
  }

  /** Who has left but was struck before it could end. */
  settle(): void {
    for (const node of this.cluster.present()) if (this.hasLeft(node)) this.end(node);
    for (const node of this.cluster.nodes) if (node.gone) this.end(node);
    this.scheduler.after(TIDY_MS, () => this.tidy());
  }

  private stays(node: ClusterNode): void {
    if (this.hasLeft(node)) this.end(node);
    else this.leaving.delete(node);
  }

  /** An operator looks at the members, and removes those whom nobody runs any more. */
  private tidy(): void {
    const present = this.cluster.present();
    const running = new Set(present.map(({ driver }) => driver?.replica.id));
    const [looked] = present.filter(({ index }) => this.cluster.status(index)?.ready);
    for (const member of this.cluster.status(looked?.index ?? 0)?.members ?? []) {
      if (!isRetired(member) && !running.has(member.replica)) this.strike(member.replica);
    }
    this.scheduler.after(TIDY_MS, () => this.tidy());
  }

  private end(node: ClusterNode): void {
    if (!node.gone) this.history.leaves(node.index);
    node.gone = true;
    this.cluster.crash(node.index, false);
  }

  private hasLeft({ index }: ClusterNode): boolean {
    const self = this.cluster.status(index)?.members[0];
    return self !== undefined && isRetired(self);
  }

  /** Enough others are left, by their names: of two with one name a third has to tell which is the copy. */
  canSpare(node: ClusterNode): boolean {
    const others = this.cluster.present().filter((other) => other !== node && !this.leaving.has(other));
    const ready = others.filter(({ index }) => this.cluster.status(index)?.ready);
    const names = new Set(ready.map(({ driver }) => driver?.replica.id));
    names.delete(undefined);
    // Who was told of this one alone, and has met nobody else yet, would look for it for ever.
    return names.size >= LEAST && !others.some((other) => this.cluster.dependsOn(other, node));
  }
}
