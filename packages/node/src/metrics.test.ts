import { replicaId } from '@causeway/crdt';
import { describe, expect, test } from 'vitest';
import { DELAY_EDGES, Histogram } from './histogram.js';
import { Metrics } from './metrics.js';
import { status } from './testing/status.js';

const eu = replicaId('eu.00000001');
const us = replicaId('us.00000002');
const us2 = replicaId('us.00000003');

function metrics(change: Partial<ReturnType<typeof status>> = {}): Metrics {
  return new Metrics({
    region: 'eu',
    status: () => status(change),
    peerBytes: () => new Map([[us, { sent: 10, received: 20 }]]),
  });
}

async function samples(of: Metrics, name: string): Promise<string[]> {
  return (await of.text()).split('\n').filter((line) => line.startsWith(name));
}

describe('Metrics', () => {
  test('have every name of the public surface, and those of the process', async () => {
    const text = await metrics().text();

    const names = [...text.matchAll(/^# TYPE (\S+) (\S+)/gm)].map(([, name, type]) => `${name} ${type}`);
    expect(names.filter((name) => name.startsWith('causeway_')).sort()).toEqual([
      'causeway_clock_offset_seconds gauge',
      'causeway_conflicts_total counter',
      'causeway_convergence_seconds histogram',
      'causeway_duplicate_chunks_total counter',
      'causeway_index_counting gauge',
      'causeway_log_bytes gauge',
      'causeway_oldest_unstable_seconds gauge',
      'causeway_operation_seconds histogram',
      'causeway_peer_bytes_total counter',
      'causeway_reads_total counter',
      'causeway_ready gauge',
      'causeway_repair_bytes_total counter',
      'causeway_repair_records_total counter',
      'causeway_repair_sessions_total counter',
      'causeway_replication_ack_seconds histogram',
      'causeway_replication_backlog_transactions gauge',
      'causeway_replication_lag_seconds histogram',
      'causeway_replication_unacknowledged_seconds gauge',
      'causeway_scrub_corrected_total counter',
      'causeway_scrub_damaged_total counter',
      'causeway_scrub_healed_total counter',
      'causeway_scrub_passes_total counter',
      'causeway_writes_total counter',
    ]);
    expect(names).toContain('process_cpu_seconds_total counter');
  });

  test('say nothing of the retired, and their region goes on under its name', async () => {
    const [self, peer] = status().members;
    const gone = { ...peer!, replica: us2, state: 'removed' as const, finalSeq: 3 };
    const of = metrics({ members: [self!, peer!, gone] });
    of.lag(us, 0.04);
    of.lag(us2, 0.04);
    of.ack(us2, 0.04);
    of.duplicateChunk(us2);

    const text = await of.text();

    expect(text).toContain('causeway_replication_lag_seconds_count{origin="us",region="eu"} 1');
    expect(text).not.toContain(us2);
  });

  test('bear the region, and the peer by its region', async () => {
    expect(await samples(metrics(), 'causeway_replication_backlog_transactions')).toEqual([
      'causeway_replication_backlog_transactions{peer="us",region="eu"} 3',
    ]);
    expect(await samples(metrics(), 'causeway_clock_offset_seconds')).toEqual([
      'causeway_clock_offset_seconds{peer="us",region="eu"} -0.002',
    ]);
  });

  test('name replicas that share a region by their ids', async () => {
    const of = metrics();
    of.ack(us, 0.001);
    of.ack(us2, 0.001);

    const counts = await samples(of, 'causeway_replication_ack_seconds_count');

    expect(counts).toEqual([
      `causeway_replication_ack_seconds_count{peer="${us}",region="eu"} 1`,
      `causeway_replication_ack_seconds_count{peer="${us2}",region="eu"} 1`,
    ]);
  });

  test('add up what is told', async () => {
    const of = metrics();
    of.write('set');
    of.write('set');
    of.read('counter');
    of.conflict('register');
    of.duplicateChunk(us);
    of.operation('register.get', 0.0001);
    of.convergence(0.04);
    of.lag(us, 0.0412);

    expect(await samples(of, 'causeway_writes_total{type="set"')).toEqual([
      'causeway_writes_total{type="set",region="eu"} 2',
    ]);
    expect(await samples(of, 'causeway_reads_total{type="counter"')).toEqual([
      'causeway_reads_total{type="counter",region="eu"} 1',
    ]);
    expect(await samples(of, 'causeway_conflicts_total{type="register"')).toEqual([
      'causeway_conflicts_total{type="register",region="eu"} 1',
    ]);
    expect(await samples(of, 'causeway_duplicate_chunks_total')).toEqual([
      'causeway_duplicate_chunks_total{peer="us",region="eu"} 1',
    ]);
    expect(await samples(of, 'causeway_peer_bytes_total')).toEqual([
      'causeway_peer_bytes_total{peer="us",direction="sent",region="eu"} 10',
      'causeway_peer_bytes_total{peer="us",direction="received",region="eu"} 20',
    ]);
    expect(await samples(of, 'causeway_operation_seconds_count')).toEqual([
      'causeway_operation_seconds_count{operation="register.get",region="eu"} 1',
    ]);
    expect(await samples(of, 'causeway_replication_lag_seconds_sum')).toEqual([
      'causeway_replication_lag_seconds_sum{origin="us",region="eu"} 0.0412',
    ]);
    expect(await samples(of, 'causeway_replication_lag_seconds_bucket{le="0.04"')).toEqual([
      'causeway_replication_lag_seconds_bucket{le="0.04",origin="us",region="eu"} 0',
    ]);
    expect(await samples(of, 'causeway_replication_lag_seconds_bucket{le="0.0425"')).toEqual([
      'causeway_replication_lag_seconds_bucket{le="0.0425",origin="us",region="eu"} 1',
    ]);
  });

  test('say nothing of a clock that is not known', async () => {
    const [peer] = status().peers;
    const of = metrics({ replica: eu, peers: peer ? [{ ...peer, clockOffsetMs: null }] : [] });

    expect(await samples(of, 'causeway_clock_offset_seconds')).toEqual([]);
  });
});

describe('The buckets of delays', () => {
  test('are at most 5 ms apart up to 100 ms, and grow from there', () => {
    const gaps = DELAY_EDGES.map((edge, i) => edge - (DELAY_EDGES[i - 1] ?? 0));

    DELAY_EDGES.forEach((edge, i) => {
      if (edge <= 0.1) expect(gaps[i]).toBeLessThanOrEqual(0.005);
      expect(gaps[i]).toBeGreaterThan(0);
    });
    expect(DELAY_EDGES).toContain(0.1);
    expect(DELAY_EDGES.at(-1)).toBe(60);
  });

  test('hold each observation in the first bucket whose edge is not below it', () => {
    const histogram = new Histogram([1, 2, 4]);
    for (const value of [-1, 0, 1, 1.5, 2, 3, 4, 5, 60]) histogram.observe(value);

    const { buckets, count, sum } = histogram.samples();

    expect(buckets.map(({ le, count }) => [le, count])).toEqual([
      ['1', 3],
      ['2', 5],
      ['4', 7],
      ['+Inf', 9],
    ]);
    expect([count, sum]).toEqual([9, 75.5]);
  });
});
