export { Masker } from '../../src/contracts/secrets.ts';
