/**
 * Types of the page. JSON types are as in the HTTP API.
 *
 * @typedef {{id: string, title: string, description: string, tile_size: number, stride: number,
 *   bands: (number|string)[]|null, scaling: Record<string, any>, model: string, keywords: string[], item_count: number, placed: boolean,
 *   rerank?: boolean|null, follows_active?: boolean, extent?: {spatial?: {bbox: number[][]}, temporal?: {interval: (string|null)[][]}},
 *   index?: {model: string, version: string, size: number, built_at: string|null}}} Collection
 * @typedef {{id: string, title: string, description: string, kind: string, bands: string[], input_size: number,
 *   dimension: number, default: boolean, matcher?: Record<string, any>|null, origin: "shipped"|"built-in"|"added", used_by: string[],
 *   size_bytes: number, licence?: string, metrics?: Record<string, any>, research_only: boolean, superseded_by: string|null,
 *   training_sets: Terms[], starting_weights: Terms[]}} Model
 * @typedef {{name: string, terms: string, source: string, images?: number|null}} Terms
 * @typedef {{type: "Feature", id: string, geometry: any, properties: Record<string, any>, near_copies?: string[],
 *   match?: {query: number[][], candidate: number[][]},
 *   links?: {rel: string, href: string, type?: string, title?: string}[]}} Feature
 * @typedef {{type: "FeatureCollection", features: Feature[], number_matched?: number, number_returned?: number,
 *   model?: string, index_version?: string, timings_ms?: Record<string, number>, matches_end_at?: number, warnings?: string[],
 *   rerank?: {depth: number, weight?: number, budget_ms?: number}|null,
 *   links?: {rel: string, href: string, method?: string, body?: any}[]}} FeatureCollection
 * @typedef {{id: string, processID: string, status: "accepted"|"running"|"successful"|"failed"|"dismissed", progress: number,
 *   message: string, counts: Record<string, number>, created: string, started?: string|null, finished?: string|null,
 *   collection?: string|null, links?: {rel: string}[]}} Job
 * @typedef {{value: string, count: number}} LabelCount
 * @typedef {{id: string, title: string, query: Record<string, any>, has_image: boolean}} SavedSearch
 *
 * View: content of the URL fragment. Everything on the page follows from it.
 * bbox: west, south, east, north in degrees, WGS 84; west > east crosses the antimeridian.
 * within: corners of a polygon that tiles must intersect; excludes bbox.
 * areas, notAreas: corners of areas that are positive and negative examples; a single corner is a place.
 * point: longitude and latitude of a place to search with, null for none.
 * rerank: "" for the default of the collection. least: minimum match probability in percent, 0 for none.
 * onePerPlace: near-duplicates are merged into one result.
 * sort: order of the tiles, see `results/order.js`; "" for the order of the service.
 * version: a previous index version, "" for the current one.
 * upload: number of an image uploaded in this tab, see `search/uploaded.js`; 0 for none.
 * @typedef {{collection: string, items: string[], not: string[], labels: string[], from: string, to: string,
 *   bbox: number[]|null, within: number[][]|null, point: number[]|null, areas: number[][][], notAreas: number[][][], upload: number, rerank: ""|"on"|"off", least: number, onePerPlace: boolean, version: string, sort: string}} View
 *
 * @typedef {{mode: "idle"|"browse"|"search", busy: boolean, features: Feature[], matched: number|null, total: number|null,
 *   token: string|null, timings: Record<string, number>|null, model: string|null, error: Error|null, more: boolean,
 *   version: string|null, rerank: {depth: number, weight?: number, budget_ms?: number}|null,
 *   likelyMatches: number|null, before: Map<string, number>|null, place: Place|null, warnings: string[]}} Results
 * @typedef {{id: string, offset: number, focused: boolean}} Place a scroll position: a tile, and its distance from the top of the list in pixels
 * likelyMatches: number of likely matches, null if unknown. before: ranks given by the previous index version. place: scroll position to return to.
 */

export {};
