/**
 * Regions as real processes for a test: nodes started as `causeway start`, data on disk, a wan-link for each pair and
 * direction. Everything is stopped, and the data removed, when the test that started it has finished.
 *
 *   const cluster = await startCluster({ regions: ['eu', 'us', 'ap'], delayMs: 40 });
 *   cluster.links.between('eu', 'us').cut();           // silently; .heal()
 *   await cluster.node('us').kill();                   // SIGKILL; .start() again at the same addresses
 *   await cluster.untilEqual();                        // bounded; says how far the regions were
 *
 * The processes run what `npm run build` made, so build before running such a test alone.
 */
import { type Cluster, type ClusterOptions, startCluster as start } from '@causeway/cli';
import { onTestFinished } from 'vitest';

export { type Cluster, type NodeProcess, type NodeStatus, until } from '@causeway/cli';

/** Resolves when all regions are ready. To be called within a test. */
export async function startCluster(options: ClusterOptions): Promise<Cluster> {
  const cluster = await start(options);
  onTestFinished(() => cluster.stop());
  await cluster.untilReady();
  return cluster;
}
