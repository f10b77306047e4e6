import picocolors from 'picocolors';
import { expect, test } from 'vitest';
import { widthOf } from '../terminal/text.js';
import type { Observation } from './observer.js';
import { oneWayMs, REGIONS } from './plan.js';
import { drawLine, drawPicture, type Picture } from './screen.js';

const colors = picocolors.createColors(false);

function pictureOf(change: Partial<Observation> = {}): Picture {
  const names = REGIONS.map(({ name }) => name);
  const observation: Observation = {
    regions: names.map((name) => ({
      ...{ name, writes: 1_234, likes: 99, headline: 'A headline of many, many words', conflicts: 3 },
      cart: ['tea', 'milk', 'jam', 'rice', 'figs'],
      digest: '390f87d63f82b7dc09540e72af525564',
    })),
    flows: names.flatMap((from) =>
      names
        .filter((to) => to !== from)
        .map((to) => ({
          from,
          to,
          lagMs: oneWayMs(from, to) + 2,
          stalledSeconds: undefined,
          connected: true,
        })),
    ),
    conflict: {
      type: 'register',
      key: 'headline',
      winner: { value: 'A headline of many, many words', replica: 'ap-south.01234567' },
      loser: { value: 'Another one', replica: 'eu-west.01234567' },
      at: 0,
    },
    statuses: [],
    ...change,
  };
  return { phase: 'cut', elapsedMs: 12_345, observation, cutOff: 'ap-south' };
}

test.each([80, 120])(
  'The picture fits a terminal of %i columns, and leaves room for the story',
  (columns) => {
    const lines = drawPicture(pictureOf(), columns, colors);

    expect(Math.max(...lines.map(widthOf))).toBeLessThan(columns);
    expect(lines.length).toBeLessThanOrEqual(18);
  },
);

test('A lag stands beside the delay of its link', () => {
  const lines = drawPicture(pictureOf(), 80, colors);

  expect(lines.find((line) => line.includes('from eu-west'))).toContain('40 ms (38 ms)');
});

test('A flow that has stalled says for how long, and whether the cut has been noticed', () => {
  const flow = { from: 'eu-west', to: 'us-east', lagMs: 40, stalledSeconds: 3.2 };

  const lines = drawPicture(pictureOf({ flows: [{ ...flow, connected: false }] }), 80, colors);

  expect(lines.find((line) => line.includes('from eu-west'))).toContain('stalled 3.2 s ✂');
});

test('Output that is no terminal gets one line', () => {
  expect(drawLine(pictureOf())).toBe('  12.3 s: likes 99 / 99 / 99, conflicts 3 / 3 / 3, digests equal');
});
