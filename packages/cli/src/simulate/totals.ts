/** What many seeds amount to: sums, least sizes, and how often each thing occurred, as text and as JSON. */
import { addCounts, type SeedReport } from '@causeway/sim';
import type { Output } from '../terminal/output.js';
import { formatTable } from '../terminal/table.js';
import { count } from '../terminal/text.js';

/** Groups of counts in the order in which they are shown, by how their names begin. */
const GROUPS: readonly { readonly title: string; readonly prefix: string }[] = [
  { title: 'fault', prefix: 'fault ' },
  { title: 'evidence and chunks dropped', prefix: 'dropped ' },
  { title: 'subscription', prefix: 'stream ' },
  { title: 'message', prefix: 'message ' },
  { title: 'conflict', prefix: 'conflicts ' },
  { title: 'call', prefix: 'calls ' },
  { title: 'disk', prefix: 'disk ' },
  { title: 'judged by a checker', prefix: 'judged ' },
  { title: 'said by a node', prefix: 'log ' },
];

export class Totals {
  readonly failures: SeedReport[] = [];
  seeds = 0;
  operations = 0;
  faults = 0;
  virtualMs = 0;
  private operationsLeast = Number.POSITIVE_INFINITY;
  private faultsLeast = Number.POSITIVE_INFINITY;
  private virtualMsLeast = Number.POSITIVE_INFINITY;
  private readonly counts = new Map<string, number>();
  private readonly seedsWith = new Map<string, number>();
  private readonly startedAt = performance.now();

  add(report: SeedReport): void {
    this.seeds++;
    this.operations += report.operations;
    this.faults += report.faults.length;
    this.virtualMs += report.virtualMs;
    addCounts(this.counts, report.counts);
    for (const [name, value] of report.counts)
      if (value > 0) this.seedsWith.set(name, (this.seedsWith.get(name) ?? 0) + 1);
    if (report.failure !== undefined) {
      // It ended early, and says nothing of the size of the others.
      this.failures.push(report);
      return;
    }
    this.operationsLeast = Math.min(this.operationsLeast, report.operations);
    this.faultsLeast = Math.min(this.faultsLeast, report.faults.length);
    this.virtualMsLeast = Math.min(this.virtualMsLeast, report.virtualMs);
  }

  get seconds(): number {
    return (performance.now() - this.startedAt) / 1000;
  }

  get virtualHours(): number {
    return this.virtualMs / 3_600_000;
  }

  get hoursPerMinute(): number {
    return this.virtualHours / (this.seconds / 60);
  }

  /** One line. */
  progress(): string {
    return [
      `${Math.round(this.seconds)} s`,
      `${count(this.seeds)} seeds`,
      `${this.virtualHours.toFixed(1)} virtual hours (${this.hoursPerMinute.toFixed(1)} a minute)`,
      `${count(this.faults)} faults`,
      `${count(this.operations)} operations`,
    ].join('  ');
  }

  text({ colors }: Output): string {
    const tables = GROUPS.map(({ title, prefix }) => {
      const rows = this.group(prefix);
      const columns = [
        { title },
        { title: 'times', align: 'right' as const },
        { title: 'in seeds', align: 'right' as const },
      ];
      const cells = rows.map(({ name, times, seeds }) => [name, count(times), count(seeds)]);
      return rows.length === 0 ? [] : [formatTable(columns, cells, colors), ''];
    });
    return [...tables.flat(), this.progress(), this.leastText()].join('\n');
  }

  json(): object {
    return {
      seeds: this.seeds,
      failed: this.failures.length,
      wallSeconds: this.seconds,
      virtualHours: this.virtualHours,
      virtualHoursPerMinute: this.hoursPerMinute,
      operations: this.operations,
      faults: this.faults,
      least: {
        operations: this.operationsLeast,
        faults: this.faultsLeast,
        virtualSeconds: this.virtualMsLeast / 1000,
      },
      counts: Object.fromEntries(
        [...this.counts]
          .sort()
          .map(([name, times]) => [name, { times, seeds: this.seedsWith.get(name) ?? 0 }]),
      ),
    };
  }

  private leastText(): string {
    if (!Number.isFinite(this.operationsLeast)) return 'No seed has passed.';
    return (
      `Each passing seed: at least ${(this.virtualMsLeast / 1000).toFixed(0)} virtual seconds, ` +
      `${count(this.operationsLeast)} operations, ${count(this.faultsLeast)} faults.`
    );
  }

  private group(prefix: string): { name: string; times: number; seeds: number }[] {
    return [...this.counts]
      .filter(([name]) => name.startsWith(prefix))
      .sort(([, a], [, b]) => b - a)
      .map(([name, times]) => ({
        name: name.slice(prefix.length),
        times,
        seeds: this.seedsWith.get(name) ?? 0,
      }));
  }
}
