/** All suites, in the order of the report. */
import { convergence } from './convergence.js';
import { failover } from './failover.js';
import { lag } from './lag.js';
import { repair } from './repair.js';
import { staleness } from './staleness.js';
import { throughput } from './throughput.js';

export const SUITES = [lag, convergence, staleness, failover, repair, throughput];
