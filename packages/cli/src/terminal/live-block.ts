/**
 * A block of lines at the end of the terminal that is drawn over and over, with lines above it that stay.
 *
 * Invariants
 * - Nothing else writes to the stream while the block is shown.
 * - No line is wider than the terminal, and the block not higher: a line that wraps would break the redrawing.
 * - The cursor is hidden only between the first `draw` and `end`.
 */
import type { WriteStream } from 'node:tty';
import { widthOf } from './text.js';

const CLEAR_DOWN = '\u001b[J';
const CLEAR_LINE = '\u001b[K';
const HIDE_CURSOR = '\u001b[?25l';
const SHOW_CURSOR = '\u001b[?25h';

export class LiveBlock {
  private shown: readonly string[] = [];
  private hidden = false;
  private readonly showCursor = () => void this.stream.write(SHOW_CURSOR);

  constructor(private readonly stream: WriteStream) {}

  get columns(): number {
    return this.stream.columns || 80;
  }

  get rows(): number {
    return this.stream.rows || 24;
  }

  draw(lines: readonly string[]): void {
    if (!this.hidden) {
      this.hidden = true;
      this.stream.write(HIDE_CURSOR);
      process.on('exit', this.showCursor);
    }
    const fitting = lines.slice(0, this.rows - 1).map((line) => this.fit(line));
    this.stream.write(this.home() + fitting.map((line) => `${line}${CLEAR_LINE}\n`).join('') + CLEAR_DOWN);
    this.shown = fitting;
  }

  /** Adds lines above the block, which stay. */
  insert(lines: readonly string[]): void {
    const { shown } = this;
    this.stream.write(`${this.home()}${CLEAR_DOWN}${lines.map((line) => `${line}\n`).join('')}`);
    this.shown = [];
    if (shown.length > 0) this.draw(shown);
  }

  /** Leaves the block as it is; what is written next comes below it. */
  end(): void {
    if (!this.hidden) return;
    this.hidden = false;
    this.shown = [];
    process.off('exit', this.showCursor);
    this.showCursor();
  }

  /** To the first line of the block. */
  private home(): string {
    // A terminal that has become narrower has wrapped what was shown.
    const rows = this.shown.reduce(
      (sum, line) => sum + Math.max(1, Math.ceil(widthOf(line) / this.columns)),
      0,
    );
    return rows === 0 ? '' : `\u001b[${Math.min(rows, this.rows - 1)}A\r`;
  }

  private fit(line: string): string {
    if (widthOf(line) <= this.columns) return line;
    let width = 0;
    let fitted = '';
    // Colours pass, characters only as far as there is room.
    // biome-ignore lint/suspicious/noControlCharactersInRegex: colours are control characters
    for (const [part] of line.matchAll(/\u001b\[[0-9;]*m|[\s\S]/gu)) {
      if (part.startsWith('\u001b')) fitted += part;
      else if (width++ < this.columns) fitted += part;
    }
    return fitted;
  }
}
