/** Imports a library of this package: a bare name is looked up from where this file lies, and `bench` lacks them all. */
export const load = (name) => import(name);
