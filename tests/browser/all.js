// Runs every promise, one after the other: they share a browser and two gateways.
import { readdir } from 'node:fs/promises';
import { after } from 'node:test';
import { close } from './support.js';

const directory = new URL('./promises/', import.meta.url);
for (const file of (await readdir(directory)).sort()) await import(new URL(file, directory));
after(close);
