/** All suites, in the order of the report. */
import { conflicts } from './conflicts.js';
import { convergence } from './convergence.js';
import { failover } from './failover.js';
import { lag } from './lag.js';
import { links } from './links.js';
import { peers } from './peers.js';
import { repair } from './repair.js';
import { replay } from './replay.js';
import { scale } from './scale.js';
import { soak } from './soak.js';
import { staleness } from './staleness.js';
import { throughput } from './throughput.js';

export const SUITES = [
  lag,
  convergence,
  staleness,
  conflicts,
  failover,
  repair,
  throughput,
  scale,
  soak,
  replay,
  links,
  peers,
];
