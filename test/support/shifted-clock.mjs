/**
 * Loaded into a node with `--import`: its wall clock is off by as many milliseconds as the file says whose path comes
 * behind the `?` of this module's address. Read again twenty times a second, so that a test can set the clock.
 */
import { readFileSync } from 'node:fs';

const path = decodeURIComponent(new URL(import.meta.url).search.slice(1));
const realNow = Date.now;
let offsetMs = 0;

function read() {
  offsetMs = Number(readFileSync(path, 'utf8'));
}

read();
setInterval(read, 50).unref();
Date.now = () => realNow() + offsetMs;
