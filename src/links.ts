import type { Books } from './contracts/books.ts';
import { LINKS, linkSchema, readShelf } from './contracts/books.ts';
import type { Platform } from './contracts/chat.ts';
import type { FindPerson } from './contracts/command.ts';
import type { Store } from './contracts/store.ts';
import type { Found, People } from './people.ts';

/** The books as everybody but the hands sees them: to read. */
export function booksOf(store: Pick<Store, 'bookEntries' | 'bookEntry'>): Books {
  return { entries: (shelf) => store.bookEntries(shelf), entry: (shelf, key) => store.bookEntry(shelf, key) };
}

/** Somebody of the config, or behind a mention; what the config does not say of them is in the book of links. */
export function finder(people: People, books: Books, platform: Platform): FindPerson {
  return async (text) => {
    const found = people.find(text, platform);
    return found && linked(found, books);
  };
}

async function linked(found: Found, books: Books): ReturnType<FindPerson> {
  const links = await readShelf(books, LINKS, linkSchema);
  const link = links.find(({ person }) => person === found.id);
  const github = found.github ?? link?.login;
  // A login of the config wins, and the name beside another login is not its own.
  const alias = link && link.login.toLowerCase() === github?.toLowerCase() ? link.name : undefined;
  return { ...found, ...(github ? { github } : {}), ...(alias ? { alias } : {}) };
}

/** Everybody listed in the config or linked to a login. */
export async function everybody(people: People, books: Books): Promise<readonly Found[]> {
  const links = await readShelf(books, LINKS, linkSchema);
  const listed = people.listed.map((one) => {
    const login = one.github ?? links.find(({ person }) => person === one.id)?.login;
    return { ...one, ...(login ? { github: login } : {}) };
  });
  const known = new Set(listed.map(({ id }) => id));
  const others = links.filter(({ person }) => !known.has(person));
  return [...listed, ...others.map(({ person, login }) => ({ id: person, name: person, github: login }))];
}
