/**
 * Measured round trips between cloud regions, as published.
 *
 * Source: IBM Cloud VPC documentation, inter-region average round-trip latency, 27 July to 25 August 2024
 * (ibm-cloud-docs/vpc, _include-segments/network-latency.md).
 *
 * Milliseconds, row to column; `null` stands for the region itself.
 */
export const REGION_RTT_SOURCE =
  'IBM Cloud VPC documentation, inter-region average round-trip latency, 27 Jul 2024 to 25 Aug 2024';

export const REGIONS = [
  'dallas',
  'toronto',
  'washington',
  'frankfurt',
  'london',
  'madrid',
  'osaka',
  'sydney',
  'tokyo',
  'sao-paulo',
] as const;

/** In the order of REGIONS, both ways. */
// biome-ignore format: a table
export const REGION_RTT_MS: readonly (readonly (number | null)[])[] = [
  [null,   34,   31,  123,  113,  119,  150,  186,  143,  146], // dallas
  [  34, null,   19,   93,   82,  108,  168,  215,  162,  129], // toronto
  [  31,   19, null,   91,   75,   87,  172,  214,  164,  118], // washington
  [ 123,   93,   91, null,   13,   29,  232,  250,  233,  198], // frankfurt
  [ 113,   83,   75,   13, null,   27,  244,  261,  243,  188], // london
  [ 122,  106,   88,   29,   27, null,  257,  275,  258,  209], // madrid
  [ 150,  169,  172,  231,  243,  257, null,  122,    9,  293], // osaka
  [ 186,  214,  214,  249,  261,  275,  122, null,  115,  328], // sydney
  [ 143,  162,  166,  233,  244,  256,    9,  115, null,  284], // tokyo
  [ 144,  128,  119,  196,  187,  208,  291,  328,  283, null], // sao-paulo
];
