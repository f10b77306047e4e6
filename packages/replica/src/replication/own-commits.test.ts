import { replicaId } from '@causeway/crdt';
import { expect, test } from 'vitest';
import { TIMED_COMMITS_MAX } from '../limits.js';
import { OwnCommits } from './own-commits.js';

const US = replicaId('us.00000001');
const AP = replicaId('ap.00000001');

function setup() {
  const told: string[] = [];
  const telemetry = {
    ack: (peer: string, seconds: number) => told.push(`${peer.slice(0, 2)} ${seconds}`),
    convergence: (seconds: number) => told.push(`all ${seconds}`),
  } as unknown as ConstructorParameters<typeof OwnCommits>[0];
  return { told, commits: new OwnCommits(telemetry, 0, 0) };
}

test('each commit is timed once for each peer, and once for all', () => {
  const { told, commits } = setup();
  commits.acknowledged(US, 0, 0, 0);
  commits.acknowledged(AP, 0, 0, 0);
  commits.committed(1, 1_000);
  commits.committed(3, 2_000);
  commits.acknowledged(US, 1, 0, 3_000);
  commits.acknowledged(US, 1, 0, 3_500);
  commits.acknowledged(AP, 3, 1, 4_000);
  commits.acknowledged(US, 3, 3, 5_000);
  expect(told).toEqual(['us 2', 'ap 3', 'ap 2', 'all 3', 'us 3', 'all 3']);
});

test('a commit of which a peer has part is not timed yet', () => {
  const { told, commits } = setup();
  commits.acknowledged(US, 0, 0, 0);
  commits.committed(5, 1_000);
  commits.acknowledged(US, 4, 4, 2_000);
  expect(told).toEqual([]);
  commits.acknowledged(US, 5, 5, 3_000);
  expect(told).toEqual(['us 2', 'all 2']);
});

test('what a peer had before this start is not timed', () => {
  const { told, commits } = setup();
  commits.acknowledged(US, 7, 7, 1_000);
  expect(told).toEqual([]);
});

test('the age of what a peer lacks grows, and ends with the acknowledgement', () => {
  const { commits } = setup();
  expect(commits.ageBeyond(0, 0, 9_000)).toBe(0);
  commits.committed(1, 1_000);
  commits.committed(2, 2_000);
  expect(commits.ageBeyond(0, 2, 5_000)).toBe(4);
  expect(commits.ageBeyond(1, 2, 5_000)).toBe(3);
  expect(commits.ageBeyond(2, 2, 5_000)).toBe(0);
});

test('a peer that is away for long makes the times coarser, and never the memory larger', () => {
  const { told, commits } = setup();
  commits.acknowledged(US, 0, 0, 0);
  const count = 3 * TIMED_COMMITS_MAX;
  for (let seq = 1; seq <= count; seq++) commits.committed(seq, seq);
  commits.acknowledged(US, count, count, count);
  expect(told.length).toBeLessThanOrEqual(2 * TIMED_COMMITS_MAX);
  expect(told.at(-1)).toBe('all 0');
  expect(commits.ageBeyond(count, count, count)).toBe(0);
});
