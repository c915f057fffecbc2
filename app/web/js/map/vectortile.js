/** Reads Mapbox Vector Tiles (version 2) as the service writes them: polygons of one ring each, with their properties. */

/** @typedef {{ring: number[], properties: Record<string, any>}} Polygon ring: x and y of its points, in parts of the tile from 0 to 1 */

class Reader {
  /** @param {Uint8Array} bytes */
  constructor(bytes) {
    this.bytes = bytes;
    this.at = 0;
  }

  varint() {
    let value = 0, factor = 1, byte;
    do {
      byte = this.bytes[this.at++];
      value += (byte & 127) * factor;
      factor *= 128;
    } while (byte > 127);
    return value;
  }

  /** The fields of a message: number and value; a value of bytes is a `Uint8Array`. @returns {Generator<[number, any]>} */
  *fields() {
    while (this.at < this.bytes.length) {
      const tag = this.varint(), kind = tag & 7;
      if (kind === 0) yield [tag >> 3, this.varint()];
      else {
        const length = kind === 2 ? this.varint() : kind === 1 ? 8 : 4;
        yield [tag >> 3, this.bytes.subarray(this.at, this.at += length)];
      }
    }
  }

  numbers() {
    const found = [];
    while (this.at < this.bytes.length) found.push(this.varint());
    return found;
  }
}

const text = new TextDecoder();
const zigzag = (/** @type {number} */ n) => (n & 1 ? -(n + 1) / 2 : n / 2);

/** @param {Uint8Array} bytes */
function value(bytes) {
  const [[number, raw]] = [...new Reader(bytes).fields()];
  if (number === 1) return text.decode(raw);
  if (number === 3) return new DataView(raw.buffer, raw.byteOffset, 8).getFloat64(0, true);
  return raw;
}

/** @param {number[]} commands @param {number} extent */
function points(commands, extent) {
  const ring = [];
  let x = 0, y = 0;
  for (let i = 0; i < commands.length;) {
    const command = commands[i] & 7, count = command === 7 ? 0 : commands[i] >> 3;
    i += 1;
    for (let n = 0; n < count; n += 1, i += 2) {
      x += zigzag(commands[i]);
      y += zigzag(commands[i + 1]);
      ring.push(x / extent, y / extent);
    }
  }
  return ring;
}

/**
 * The polygons of all layers of a tile.
 * @param {ArrayBuffer} buffer
 * @returns {Polygon[]}
 */
export function decode(buffer) {
  /** @type {Polygon[]} */
  const found = [];
  for (const [, layer] of new Reader(new Uint8Array(buffer)).fields()) {
    /** @type {[number, any][]} */
    const parts = [...new Reader(layer).fields()];
    const keys = parts.filter(([n]) => n === 3).map(([, raw]) => text.decode(raw));
    const values = parts.filter(([n]) => n === 4).map(([, raw]) => value(raw));
    const extent = parts.find(([n]) => n === 5)?.[1] ?? 4096;
    for (const [n, raw] of parts) {
      if (n !== 2) continue;
      const feature = new Map(new Reader(raw).fields());
      const tags = new Reader(feature.get(2)).numbers();
      const properties = Object.fromEntries(tags.flatMap((tag, i) => (i % 2 ? [] : [[keys[tag], values[tags[i + 1]]]])));
      found.push({ ring: points(new Reader(feature.get(4)).numbers(), extent), properties });
    }
  }
  return found;
}
