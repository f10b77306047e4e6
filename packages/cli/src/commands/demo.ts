/** `causeway demo`: three regions on this machine, and what happens when one of them is cut off. */
import { mkdir } from 'node:fs/promises';
import { resolve } from 'node:path';
import { Command } from 'commander';
import type { Cluster } from '../cluster/cluster.js';
import { DELAYS_SOURCE, placeName, REGIONS } from '../demo/plan.js';
import { drawLine, drawPicture, type Picture } from '../demo/screen.js';
import { type Ending, type Stage, Story } from '../demo/story.js';
import { tryIt } from '../demo/try-it.js';
import { EXIT_FAILED } from '../failure.js';
import { LiveBlock } from '../terminal/live-block.js';
import type { Output } from '../terminal/output.js';

interface DemoFlags {
  readonly once?: boolean;
  readonly keep?: string;
}

/** Between two lines of output that is no terminal. Milliseconds. */
const LINE_EVERY_MS = 2_000;
/** Signals this close are one. Milliseconds. */
const SAME_SIGNAL_MS = 1_000;
const PLACES = REGIONS.map(({ name }) => placeName(name)).join(', ');

export function demoCommand(output: Output): Command {
  return new Command('demo')
    .description('show three regions at work on this machine: cut one off, heal it, see all converge')
    .option('--once', 'end after the story: exit code 0 when the three digests are equal, else 1')
    .option('--keep <dir>', 'keep the data in this directory; default: a temporary one that is removed')
    .addHelpText(
      'after',
      `\nDelays: half of the round trips between ${PLACES}, published by ${DELAYS_SOURCE}.`,
    )
    .action((flags: DemoFlags) => run(flags, output));
}

async function run({ once, keep }: DemoFlags, output: Output): Promise<void> {
  const directory = keep === undefined ? undefined : resolve(keep);
  if (directory !== undefined) await mkdir(directory, { recursive: true });
  const screen = process.stdout.isTTY ? new LiveStage(output) : new PlainStage(output);
  const stop = new AbortController();
  const stopped = new Promise<void>((resolveStop) =>
    stop.signal.addEventListener('abort', () => resolveStop()),
  );
  const unhook = onSignals(() => stop.abort(new Interrupted()));
  let cluster: Cluster | undefined;
  try {
    const ending = await new Story(screen, directory, stop.signal).tell((started) => {
      cluster = started;
    });
    screen.end();
    for (const line of summary(ending, output)) output.print(line);
    if (!ending.equal) process.exitCode = EXIT_FAILED;
    if (once !== true) {
      output.print('');
      for (const line of tryIt(
        ending.cluster.nodes.map(({ urls }) => urls),
        output.colors,
      ))
        output.print(line);
      const crash = await Promise.race([stopped, ending.crashed]);
      if (crash !== undefined) throw crash;
    }
  } catch (error) {
    screen.end();
    if (!stop.signal.aborted) throw error;
    output.note('Stopped before the end.');
    process.exitCode = EXIT_FAILED;
  } finally {
    if (cluster !== undefined && once !== true) output.note('Stopping the regions.');
    await cluster?.stop();
    if (directory !== undefined) output.note(`The data are in ${directory}.`);
    unhook();
  }
}

class Interrupted extends Error {}

/**
 * The first signal ends the demo in good order, a later one at once: the nodes go with this process. Below npm one
 * Ctrl-C comes twice, from the terminal and from npm.
 */
function onSignals(first: () => void): () => void {
  let seenAt: number | undefined;
  const handle = (): void => {
    if (seenAt === undefined) {
      seenAt = performance.now();
      first();
    } else if (performance.now() - seenAt > SAME_SIGNAL_MS) {
      process.exit(EXIT_FAILED);
    }
  };
  const signals: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP'];
  for (const signal of signals) process.on(signal, handle);
  return () => {
    for (const signal of signals) process.off(signal, handle);
  };
}

function summary({ digests, equal, cluster }: Ending, { colors }: Output): string[] {
  if (equal) return ['', `${colors.green('All three are equal.')} Digest: ${digests[0]}`];
  const rows = cluster.nodes.map(({ region }, index) => `  ${region}  ${digests[index]}`);
  return ['', colors.red('The regions differ:'), ...rows];
}

/** A terminal: the story scrolls above a picture that is drawn over. */
class LiveStage implements Stage {
  private readonly block = new LiveBlock(process.stdout);

  constructor(private readonly output: Output) {}

  say(text: string): void {
    this.block.insert(wrap(text, this.block.columns - 1));
  }

  show(picture: Picture): void {
    this.block.draw(drawPicture(picture, this.block.columns, this.output.colors));
  }

  end(): void {
    this.block.end();
  }
}

/** A file or a pipe: lines only. */
class PlainStage implements Stage {
  private shownAt = Number.NEGATIVE_INFINITY;

  constructor(private readonly output: Output) {}

  say(text: string): void {
    this.output.print(text);
  }

  show(picture: Picture): void {
    if (picture.phase === 'done') {
      for (const line of drawPicture(picture, 80, this.output.colors)) this.output.print(line);
    } else if (picture.elapsedMs - this.shownAt >= LINE_EVERY_MS) {
      this.shownAt = picture.elapsedMs;
      this.output.print(drawLine(picture));
    }
  }

  end(): void {
    // Nothing is on the screen that would have to go.
  }
}

/** Breaks a line at spaces, what follows indented. */
function wrap(text: string, columns: number): string[] {
  const lines: string[] = [];
  const indent = `${/^ */.exec(text)?.[0] ?? ''}  `;
  let rest = text;
  while (rest.length > columns) {
    const at = rest.lastIndexOf(' ', columns);
    if (at <= indent.length) break;
    lines.push(rest.slice(0, at));
    rest = indent + rest.slice(at + 1);
  }
  return [...lines, rest];
}
