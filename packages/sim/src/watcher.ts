/** A client that watches everything at one node, and watches anew whenever it has been cut off. */
import type { WatchesChecker } from './checkers/watches.js';
import type { Cluster, Session, SessionListener } from './cluster.js';
import type { Answer } from './host.js';
import type { Scheduler } from './scheduler.js';

/** Milliseconds. */
const RECONNECT_MS = 150;

export class Watcher implements SessionListener {
  private session: Session | undefined;

  constructor(
    private readonly cluster: Cluster,
    private readonly scheduler: Scheduler,
    private readonly checker: WatchesChecker,
    private readonly node: number,
  ) {}

  start(): void {
    if (this.session === undefined) {
      this.session = this.cluster.connect(this.node, this);
      this.session?.watch(1, { prefix: '' });
    }
    this.scheduler.after(RECONNECT_MS, () => this.start());
  }

  answered(answer: Answer): void {
    if (answer.type === 'change') this.checker.changed(this.node, answer.change);
    // Interrupted, or not ready to be watched: once more, on another connection.
    else this.session?.close();
  }

  lost(): void {
    this.session = undefined;
    this.checker.forget(this.node);
  }
}
