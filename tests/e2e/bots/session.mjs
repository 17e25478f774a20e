// What the clients that live through a whole test have in common: one line in, one JSON line out.
import { createInterface } from 'node:readline';

const print = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);

// Standard output belongs to the session; packages print there too.
console.log = console.error;

/** Tells the test something that it did not ask for. */
export const tell = (event) => print(event);

/** Answers every line of standard input by what `answer` makes of it, in order; ends with standard input. */
export async function session(answer) {
  for await (const line of createInterface({ input: process.stdin })) {
    try {
      print(await answer(line));
    } catch (error) {
      print({ error: String(error?.message ?? error) });
    }
  }
  process.exit(0);
}

/** `promise`, or a failure that names `what` after so many seconds. */
export function within(seconds, what, promise) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: nothing for ${seconds} s`)), seconds * 1000);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}
