/** All suites, in the order of the report. */
import { convergence } from './convergence.js';
import { lag } from './lag.js';
import { throughput } from './throughput.js';

export const SUITES = [lag, convergence, throughput];
