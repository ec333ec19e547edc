/**
 * Register blocks, declared once: typed accessors, a decoded dump, documentation. On any region, or on plain memory.
 * The same classes as in `@vfio/pci-bar`.
 *
 * @packageDocumentation
 */
export { defineRegisters, RegisterTable, type PlacingOptions } from "./register-table.js";
export { formatDump, type DumpedRegister, type DumpOptions, type SkipReason } from "./register-dump.js";
export type { RegisterRegion } from "./raw-register.js";
export type { AnyFieldValue } from "./register-field.js";
export type { FieldLayout, RegisterLayout } from "./register-layout.js";
export type {
  AccessOf,
  DeclaresAccess,
  AnyField,
  BoundRegister,
  FieldAccess,
  FieldAccessOf,
  FieldAccessor,
  FieldDeclaration,
  FieldReading,
  FieldValue,
  FieldWriting,
  FlagField,
  Modifying,
  NamedField,
  NumberField,
  RawValue,
  Readable,
  Reading,
  RegisterAccess,
  RegisterArrayDeclaration,
  RegisterDeclaration,
  RegisterDeclarations,
  RegisterList,
  RegisterPlace,
  RegisterSet,
  RegisterWithFields,
  ValuesRead,
  ValuesWritten,
  WideField,
  WaitForOptions,
  WaitForSyncOptions,
  Waiting,
  WideRegister,
  WithFields,
  Writable,
  Writing,
} from "./register-declaration.js";
