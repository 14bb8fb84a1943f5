// A W3C WoT Thing Description 1.1, as far as the console reads it.

/** Any JSON. */
export type Json = null | boolean | number | string | Json[] | { [name: string]: Json };

/** What a value may be (TD 1.1, 5.3.2). */
export interface Schema {
  type?: 'object' | 'array' | 'string' | 'number' | 'integer' | 'boolean' | 'null';
  title?: string;
  description?: string;
  unit?: string;
  const?: Json;
  default?: Json;
  enum?: Json[];
  oneOf?: Schema[];
  anyOf?: Schema[];
  readOnly?: boolean;
  writeOnly?: boolean;
  format?: string;
  minimum?: number;
  maximum?: number;
  exclusiveMinimum?: number;
  exclusiveMaximum?: number;
  multipleOf?: number;
  minLength?: number;
  maxLength?: number;
  pattern?: string;
  items?: Schema | Schema[];
  minItems?: number;
  maxItems?: number;
  properties?: Record<string, Schema>;
  required?: string[];
}

/** State that can be read, and perhaps written. */
export interface PropertyAffordance extends Schema {
  observable?: boolean;
}

/** A call. */
export interface ActionAffordance {
  title?: string;
  description?: string;
  input?: Schema;
  output?: Schema;
  safe?: boolean;
  idempotent?: boolean;
}

/** A report. */
export interface EventAffordance {
  title?: string;
  description?: string;
  data?: Schema;
}

export interface ThingDescription {
  id?: string;
  title: string;
  description?: string;
  properties?: Record<string, PropertyAffordance>;
  actions?: Record<string, ActionAffordance>;
  events?: Record<string, EventAffordance>;
}
