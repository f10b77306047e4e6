/** All suites, in the order of the report. */
import { lag } from './lag.js';

export const SUITES = [lag];
