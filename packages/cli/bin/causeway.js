#!/usr/bin/env -S node --min-semi-space-size=16 --max-semi-space-size=32 --initial-old-space-size=128
// A node keeps what it writes in its cache: with the usual 16 MiB of new space V8 copies it twice, at a tenth of the
// CPU of a write, and with the little that it begins with more often. And it collects an old space that begins small again
// and again while it grows, at a fifth of the CPU of a catch-up, and at the p99 of the lag. Whoever starts this file with node
// itself gives the flags along: NODE_FLAGS in src/cluster.
import '../dist/main.js';
