"""Reading and writing image files without changing where a voxel lies."""
