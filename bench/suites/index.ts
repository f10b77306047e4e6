/** All suites, in the order of the report. */
import { lag } from './lag.js';
import { throughput } from './throughput.js';

export const SUITES = [lag, throughput];
