/** Methods of real classes put in place of others, for as long as a test runs. */

/** How a method is replaced: given the original, returns what stands in for it. `this` is the object. */
// biome-ignore lint/suspicious/noExplicitAny: a planted bug reaches for what is private
type Method = (this: any, ...args: any[]) => any;

/** Replaces `name` of a class; returns what puts the original back. Throws when the class has no such method. */
export function patch(
  target: { readonly prototype: object },
  name: string,
  make: (original: Method) => Method,
): () => void {
  const prototype = target.prototype as Record<string, Method>;
  const original = prototype[name];
  if (typeof original !== 'function') throw new Error(`nothing to replace: there is no method ${name}`);
  prototype[name] = make(original);
  return () => {
    prototype[name] = original;
  };
}

/** Several at a time. */
export function patches(...undos: (() => void)[]): () => void {
  return () => {
    for (const undo of undos) undo();
  };
}
