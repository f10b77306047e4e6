/** A cluster in which nothing goes wrong by itself: for stories that are told once. */
import type { NodeProfile } from '../cluster.js';
import type { Profile } from '../profile.js';

export const LINK_MS = 40;

const REGIONS = ['eu-west', 'us-east', 'ap-south', 'sa-east', 'af-north'];

/** Equal links, fast disks, right clocks, everybody everybody's seed; `change` what of a machine is to be otherwise. */
export function calm(
  change: (index: number) => Partial<NodeProfile> = () => ({}),
): (profile: Profile) => Profile {
  const fixed = (least: number) => ({ least, jitter: 0, tail: 0, most: least });
  return (profile) => ({
    ...profile,
    cluster: {
      link: () => ({ delay: fixed(LINK_MS), bandwidth: 1e5 }),
      nodes: profile.cluster.nodes.map((node, index, all) => ({
        ...node,
        region: REGIONS[index] as string,
        seeds: all.map((_, other) => other).filter((other) => other !== index),
        startAtMs: 0,
        clockOffsetMs: 0,
        clockRate: 1,
        limits: {},
        disk: { write: fixed(1), read: fixed(0.05), readNow: 0, open: fixed(1) },
        host: { turn: fixed(0.05), lateness: fixed(0.05), dialTimeoutMs: 5000 },
        ...change(index),
      })),
    },
  });
}
