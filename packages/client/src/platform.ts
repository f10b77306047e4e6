/**
 * Time and chance as every JavaScript platform has them.
 */
import type { Surroundings } from './surroundings.js';

export const platform: Omit<Surroundings, 'dial' | 'soon'> = {
  now: () => performance.now(),
  after(ms, callback) {
    const timer = setTimeout(callback, ms);
    return () => clearTimeout(timer);
  },
  random: () => Math.random(),
};
