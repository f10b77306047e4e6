export { type ControlServer, serveControl } from './control.js';
export { type RegionMatrix, type RegionMatrixName, regionMatrix } from './region-matrix.js';
export type { Direction, LineSettings, LinkSettings } from './settings.js';
export {
  type Cut,
  type CutMode,
  createWanLink,
  type LineStats,
  type LinkStats,
  type WanLink,
  type WanLinkOptions,
} from './wan-link.js';
