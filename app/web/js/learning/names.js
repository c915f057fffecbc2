/** Models and index versions as people read them. */

import { state } from "../core/state.js";

/** @param {string} id */
export const modelTitle = (id) => state.models.find((m) => m.id === id)?.title || id;

/** The model of an index, whose version is the model's id and a number. @param {string} version */
export const modelOf = (version) => version.replace(/\.\d+$/, "");
