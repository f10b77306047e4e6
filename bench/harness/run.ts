/** Runs suites one after the other and puts their results together. A suite that fails does not keep the others. */
import { describeMachine, gitRevision, packageVersions } from './machine.js';
import { type BenchResult, FORMAT, FORMAT_VERSION, type OptionValues, type SuiteResult } from './result.js';
import { Recorder, type Suite } from './suite.js';

export interface Job {
  readonly suite: Suite;
  readonly options: OptionValues;
}

export interface RunEvents {
  begin(suite: string): void;
  tell(text: string): void;
  failed(suite: string, reason: string): void;
}

export async function runJobs(jobs: readonly Job[], events: RunEvents): Promise<BenchResult> {
  const started = performance.now();
  const startedAt = new Date().toISOString();
  const suites: SuiteResult[] = [];
  for (const { suite, options } of jobs) {
    events.begin(suite.name);
    const suiteStarted = performance.now();
    const recorder = new Recorder((text) => events.tell(text));
    const failure = await suite.run(options as never, recorder).then(
      () => undefined,
      (error: unknown) => (error instanceof Error ? error.message : String(error)),
    );
    if (failure !== undefined) events.failed(suite.name, failure);
    const { figures, plots, notes } = recorder;
    suites.push({
      suite: suite.name,
      title: suite.title,
      options,
      seconds: secondsSince(suiteStarted),
      figures,
      plots,
      notes,
      ...(failure !== undefined && { failure }),
    });
  }
  return {
    format: FORMAT,
    formatVersion: FORMAT_VERSION,
    startedAt,
    seconds: secondsSince(started),
    machine: describeMachine(),
    versions: packageVersions(),
    revision: await gitRevision(),
    suites,
  };
}

/** Values of a suite's options: the full ones, or those of the quick set. */
export function presetOf(suite: Suite, quick: boolean): OptionValues {
  return Object.fromEntries(
    Object.entries(suite.options).map(([name, { value, quick: short }]) => [
      name,
      quick ? (short ?? value) : value,
    ]),
  );
}

function secondsSince(started: number): number {
  return Math.round(performance.now() - started) / 1000;
}
