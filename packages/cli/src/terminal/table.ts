/** A table for people: a line each, columns as wide as their widest cell. */
import type { Colors } from './output.js';
import { padEnd, padStart, widthOf } from './text.js';

export interface Column {
  readonly title: string;
  /** Default left. */
  readonly align?: 'left' | 'right';
}

export function formatTable(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  colors: Colors,
): string {
  const titles = columns.map(({ title }) => colors.dim(title));
  const lines = [titles, ...rows];
  const widths = columns.map((_, index) => Math.max(...lines.map((cells) => widthOf(cells[index] ?? ''))));
  return lines
    .map((cells) =>
      columns
        .map(({ align }, index) => {
          const pad = align === 'right' ? padStart : padEnd;
          return pad(cells[index] ?? '', widths[index] ?? 0);
        })
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}
