import { fileURLToPath } from 'node:url';

const folder = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

/** Of the project. */
export const ROOT: string = folder('../../');
/** The package as it is published, built for the measurement. */
export const PACKAGE: string = folder('../../node_modules/.cache/haricot-bench/package/');
/** Peers and what draws the chart. */
export const PEERS: string = folder('../peers/');
/** What `--save` keeps, and the chart is drawn from. */
export const RESULTS: string = folder('../results.json');
export const CHART: string = folder('../chart.svg');
export const README: string = folder('../../README.md');
