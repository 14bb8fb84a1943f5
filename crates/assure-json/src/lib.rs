//! The JSON forms of aSSURE: record, configuration, parameter choices, status, info.
