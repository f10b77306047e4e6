/** The picture of the demo as lines of text. Pure; made for 80 columns, and for 24 lines with room for the story. */
import { regionOf } from '../commands/conflicts.js';
import type { Colors } from '../terminal/output.js';
import { clip, count, milliseconds, padEnd, seconds, widthOf } from '../terminal/text.js';
import type { Observation, ObservedFlow, ObservedRegion } from './observer.js';
import { oneWayMs, PHASES, type Phase, placeName } from './plan.js';

export interface Picture {
  readonly phase: Phase;
  readonly elapsedMs: number;
  readonly observation: Observation;
  /** Region that is cut off. */
  readonly cutOff: string | undefined;
}

const LABEL_COLUMNS = 19;
const COLUMNS_MAX = 100;
/** Of a value in a conflict. */
const VALUE_COLUMNS = 20;

export function drawPicture(picture: Picture, terminalColumns: number, colors: Colors): string[] {
  const columns = Math.min(terminalColumns, COLUMNS_MAX) - 1;
  const { regions, flows, conflict } = picture.observation;
  const cell = Math.floor((columns - LABEL_COLUMNS) / regions.length);
  const row = (label: string, show: (region: ObservedRegion, columns: number) => string): string =>
    ` ${padEnd(label, LABEL_COLUMNS)}${regions.map((region) => padEnd(show(region, cell - 2), cell)).join('')}`.trimEnd();
  const equal = (pick: (region: ObservedRegion) => string): boolean => new Set(regions.map(pick)).size === 1;
  const same = (isEqual: boolean) => (text: string) => (isEqual ? colors.green(text) : text);
  const name = (region: ObservedRegion) =>
    region.name === picture.cutOff ? colors.red(colors.bold(region.name)) : colors.bold(region.name);
  const sameLikes = same(equal(({ likes }) => String(likes)));
  const sameHeadline = same(equal(({ headline }) => String(headline)));
  const sameCart = same(equal(({ cart }) => cart.join()));
  const sameDigest = same(equal(({ digest }) => digest));
  return [
    rule(columns, colors),
    header(picture, columns, colors),
    '',
    row('', name),
    row('', ({ name: region }) => colors.dim(placeName(region))),
    row('writes taken', ({ writes }) => count(writes)),
    row('counter  likes', ({ likes }) => sameLikes(count(likes))),
    row('register headline', ({ headline = '–' }, width) => sameHeadline(clip(headline, width))),
    row('set      cart', ({ cart }, width) => sameCart(clip(cart.join(' ') || '–', width))),
    row('conflicts met', ({ conflicts }) => (conflicts > 0 ? colors.yellow(count(conflicts)) : '0')),
    row('digest', ({ digest }) => sameDigest(digest.slice(0, 12))),
    '',
    ` ${padEnd('lag of writes', LABEL_COLUMNS)}${colors.dim(`measured (one-way delay of the link)`)}`,
    ...regions.map(({ name: from }) =>
      row(`  from ${from}`, ({ name: to }) =>
        from === to ? colors.dim('–') : describeFlow(flows, from, to, colors),
      ),
    ),
    '',
    ` ${padEnd('latest conflict', LABEL_COLUMNS)}${clip(describeConflict(conflict), columns - LABEL_COLUMNS - 1)}`,
  ];
}

function rule(columns: number, colors: Colors): string {
  return colors.dim('─'.repeat(columns));
}

function header({ phase, elapsedMs }: Picture, columns: number, colors: Colors): string {
  const current = PHASES.indexOf(phase);
  const steps = PHASES.map((each, index) => {
    if (each === phase) return colors.inverse(` ${each} `);
    return phase === 'done' || index < current ? colors.green(`✓ ${each} `) : colors.dim(`  ${each} `);
  });
  const left = ` ${colors.bold('causeway demo')}   ${steps.join('')}`;
  const clock = seconds(elapsedMs / 1_000);
  return left + ' '.repeat(Math.max(1, columns - widthOf(left) - clock.length)) + colors.dim(clock);
}

function describeFlow(flows: readonly ObservedFlow[], from: string, to: string, colors: Colors): string {
  const flow = flows.find((each) => each.from === from && each.to === to);
  if (flow?.stalledSeconds !== undefined) {
    const text = `stalled ${seconds(flow.stalledSeconds)}`;
    return colors.red(flow.connected ? text : `${text} ✂`);
  }
  if (flow?.lagMs === undefined) return colors.dim('…');
  const lag = milliseconds(Math.max(0, flow.lagMs));
  const delayMs = oneWayMs(from, to);
  const shown = flow.lagMs > 2 * delayMs + 50 ? colors.yellow(lag) : colors.cyan(lag);
  return `${shown} ${colors.dim(`(${milliseconds(delayMs)})`)}`;
}

function describeConflict(conflict: Observation['conflict']): string {
  if (conflict === undefined) return 'none yet';
  const { type, key, winner, loser } = conflict;
  const shown = (value: unknown) =>
    value === undefined ? 'its removal' : clip(JSON.stringify(value), VALUE_COLUMNS);
  const what = type === 'register' ? key : `${type} ${key}`;
  return `${what}: ${shown(winner.value)} (${regionOf(winner)}) beats ${shown(loser.value)}`;
}

/** The same on one line, for output that is no terminal. */
export function drawLine({ observation, elapsedMs }: Picture): string {
  const { regions } = observation;
  const each = (pick: (region: ObservedRegion) => number) =>
    regions.map((region) => count(pick(region))).join(' / ');
  const equal = new Set(regions.map(({ digest }) => digest)).size === 1;
  return (
    `  ${seconds(elapsedMs / 1_000)}: likes ${each(({ likes }) => likes)}, ` +
    `conflicts ${each(({ conflicts }) => conflicts)}, digests ${equal ? 'equal' : 'differ'}`
  );
}
