import type { WriteStream } from 'node:tty';
import picocolors from 'picocolors';
import { expect, test } from 'vitest';
import { LiveBlock } from './live-block.js';

/** A terminal, as far as the block knows it. */
function terminal(columns: number, rows: number) {
  const writes: string[] = [];
  const stream = { columns, rows, write: (text: string) => writes.push(text) };
  return { block: new LiveBlock(stream as unknown as WriteStream), writes };
}

test('A block is drawn over the one before', () => {
  const { block, writes } = terminal(80, 24);

  block.draw(['a', 'b']);
  block.draw(['c']);

  expect(writes.at(-1)).toBe('\u001b[2A\rc\u001b[K\n\u001b[J');
});

test('Lines that stay are put above the block', () => {
  const { block, writes } = terminal(80, 24);

  block.draw(['block']);
  block.insert(['news']);

  expect(writes.slice(-2)).toEqual(['\u001b[1A\r\u001b[Jnews\n', 'block\u001b[K\n\u001b[J']);
});

test('A block is never wider or higher than the terminal', () => {
  const { block, writes } = terminal(5, 3);
  const { red } = picocolors.createColors(true);

  block.draw([red('too wide'), 'b', 'c']);

  expect(writes.at(-1)).toBe(`${red('too w')}\u001b[K\nb\u001b[K\n\u001b[J`);
});

test('The cursor is hidden while the block is shown, and no longer', () => {
  const { block, writes } = terminal(80, 24);

  block.draw(['a']);
  block.end();
  block.end();

  expect(writes[0]).toBe('\u001b[?25l');
  expect(writes.filter((text) => text === '\u001b[?25h')).toHaveLength(1);
});
