/** Progress of a replay on standard error: a bar that is drawn over on a terminal, else a line each 2 %. */

import type { LiveBlock } from '../terminal/live-block.js';
import type { Output } from '../terminal/output.js';
import { count, seconds } from '../terminal/text.js';

const REDRAW_MS = 100;
/** Of all lines, between two lines of plain progress. */
const PLAIN_STEP = 0.02;
const BAR_COLUMNS = 30;
/** The rate is that of about this long. Milliseconds. */
const RATE_WINDOW_MS = 3_000;

export interface LaneProgress {
  readonly name: string;
  readonly lines: number;
  readonly acknowledged: number;
  readonly trouble: string | undefined;
}

export class ReplayProgress {
  private readonly timer: NodeJS.Timeout;
  private readonly startedAt = performance.now();
  private samples: { readonly at: number; readonly done: number }[] = [];
  private nextPlain = PLAIN_STEP;

  /** `block` is for a terminal. */
  constructor(
    private readonly lanes: () => readonly LaneProgress[],
    private readonly output: Output,
    private readonly block: LiveBlock | undefined,
  ) {
    this.timer = setInterval(() => this.show(), REDRAW_MS);
    this.show();
  }

  end(): void {
    clearInterval(this.timer);
    this.show();
    this.block?.end();
  }

  private show(): void {
    const lanes = this.lanes();
    const done = sum(lanes.map(({ acknowledged }) => acknowledged));
    const total = sum(lanes.map(({ lines }) => lines));
    const share = total === 0 ? 1 : done / total;
    const summary = this.summary(done, total, share);
    if (this.block !== undefined) {
      this.block.draw([`${this.bar(share)} ${summary}`, ...lanes.map((lane) => `  ${this.lane(lane)}`)]);
    } else if (share >= this.nextPlain) {
      this.nextPlain = (Math.floor(share / PLAIN_STEP + 1e-9) + 1) * PLAIN_STEP;
      const away = lanes.flatMap(({ name, trouble }) => (trouble === undefined ? [] : [`${name} is away`]));
      this.output.note([`${Math.floor(share * 100 + 1e-9)} %`, summary, ...away].join('  '));
    }
  }

  private summary(done: number, total: number, share: number): string {
    const now = performance.now();
    this.samples.push({ at: now, done });
    while (this.samples.length > 2 && now - this.samples[0]!.at > RATE_WINDOW_MS) this.samples.shift();
    const oldest = this.samples[0]!;
    const perSecond =
      share < 1 ? (done - oldest.done) / Math.max(1, now - oldest.at) : done / (now - this.startedAt);
    const rate = Math.round(perSecond * 1000);
    const left = rate > 0 ? `, ${seconds((total - done) / rate)} left` : '';
    return `${count(done)} of ${count(total)} lines, ${count(rate)}/s${share < 1 ? left : ''}`;
  }

  private bar(share: number): string {
    const full = Math.round(share * BAR_COLUMNS);
    const { green, dim } = this.output.noteColors;
    return green('━'.repeat(full)) + dim('─'.repeat(BAR_COLUMNS - full));
  }

  private lane({ name, lines, acknowledged, trouble }: LaneProgress): string {
    const { yellow, dim } = this.output.noteColors;
    const state = trouble === undefined ? '' : yellow(`  away, sending again: ${trouble}`);
    return `${name}  ${dim(`${count(acknowledged)} of ${count(lines)}`)}${state}`;
  }
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
