/** Titles of models, and the model of an index version. */

import { state } from "../core/state.js";

/** @param {string} id */
export const modelTitle = (id) => state.models.find((m) => m.id === id)?.title || id;

/** Model identifier of an index version, which has the form `<model>.<number>`. @param {string} version */
export const modelOf = (version) => version.replace(/\.\d+$/, "");
